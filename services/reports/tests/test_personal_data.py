"""What the report service says about a person for an export."""

import datetime as dt
from uuid import uuid4

import httpx
import pytest

from services.reports.tests.harness import asked
from shared.http.tokens import Claims, sign


@pytest.fixture
def exported(harness, reports_backing):
    """Asks for a person's data as the gateway does."""
    transport = httpx.ASGITransport(harness.service.app())
    key = (reports_backing.keys / "signing.pem").read_bytes()

    async def ask(person, school):
        claims = Claims(role="school_admin", school=school, use="internal")
        headers = {"Authorization": f"Bearer {sign(key, claims, dt.timedelta(minutes=1))}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://reports") as client:
            answer = await client.get(f"/personal-data/{person}", headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()["parts"]

    return ask


async def test_reports_about_a_student_are_exported_with_their_files(harness, exported):
    school, office = await harness.school(), uuid4()
    ada, ben = await harness.student(school), await harness.student(school, "Ben")
    event = asked(school, ada, requested_by=office)
    await harness.issue(event)

    about, requested = await exported(ada, school), await exported(office, school)

    assert [each["report_id"] for each in about["reports"]] == [str(event.report_id)]
    assert about["report_files"][0]["report_id"] == str(event.report_id)
    assert ([each["report_id"] for each in requested["reports"]], requested["report_files"]) == (
        [str(event.report_id)],
        [],
    )
    assert not any((await exported(ben, school)).values())
    assert not any((await exported(ada, await harness.school())).values())

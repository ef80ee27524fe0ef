"""An export of a person's data: what is in it for whom, what it refuses, and that it is an act of the audit."""

from uuid import uuid4

import pytest
import pytest_asyncio

from gateway.directory.personal_export import OWNERS
from shared.service import personal_data

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWERED = (200, {"parts": {"rows": [{"title": "Hello"}]}, "cut": ["rows"]})
OF_PERSON = (
    "INSERT INTO contact VALUES (%(person)s, 'mail', %(mail)s)",
    "INSERT INTO device (token, person_id, platform) VALUES (%(mail)s, %(person)s, 'web')",
    "INSERT INTO account (person_id, sign_in_address) VALUES (%(person)s, %(mail)s)",
    """
INSERT INTO refresh_token (hash, family, person_id, role, school_id, expires_at)
SELECT sha256(id::text::bytea), id, %(person)s, 'guardian', school, now()
FROM (VALUES (gen_random_uuid(), %(school)s::uuid), (gen_random_uuid(), %(other)s)) AS s(id, school)
""",
    "INSERT INTO membership (person_id, school_id, role) VALUES (%(person)s, %(other)s, 'guardian')",
    "INSERT INTO student (school_id, student_id) VALUES (%(school)s, %(person)s)",
    "INSERT INTO guardianship (school_id, student_id, guardian_id) VALUES (%(school)s, %(person)s, %(person)s)",
)


@pytest_asyncio.fixture(loop_scope="module")
async def known(gateway, owners):
    """A guardian of two schools, and owners that answer."""
    school, other = await gateway.add_school(), await gateway.add_school()
    person = await gateway.add_person(school)
    values = {"person": person, "school": school, "other": other, "mail": f"{person}@example.org"}
    async with gateway.service.transactions.begin() as tx:
        for statement in OF_PERSON:
            await tx.execute(statement, values)
    scripted = owners(**{f"{owner}_GET": ANSWERED for owner in OWNERS})
    return school, other, person, scripted


async def acts(gateway, person):
    query = "SELECT action, school_id, status FROM audit WHERE subject ->> 'person_id' = %s ORDER BY audit_id"
    return [tuple(row.values()) for row in await gateway.rows(query, (str(person),))]


async def test_the_administrator_of_a_school_gets_its_part_without_the_account(gateway, known):
    school, _, person, scripted = known
    absence = {"student_id": str(person), "day": "2026-11-02", "reason": "flu"}
    assert (await gateway.ask("POST", "/v1/absences", "staff", school, json=absence)).status_code == 201

    answer = await gateway.ask("POST", f"/v1/people/{person}/export", "school_admin", school, uuid4())

    found = answer.json()
    assert (answer.status_code, found["account"], found["person"]["id"]) == (200, None, str(person))
    assert found["person"]["contacts"] == [{"kind": "mail", "address": f"{person}@example.org"}]
    (part,) = found["schools"]
    assert part["school_id"] == str(school)
    assert set(part["services"]) == {"gateway", *OWNERS}
    assert part["services"]["notifier"] == {"rows": [{"title": "Hello"}]}
    ours = part["services"]["gateway"]
    assert [each["role"] for each in ours["memberships"]] == ["guardian"]
    assert len(ours["guardianships"]) == 1
    assert [each["facts"]["reason"] for each in ours["records"]] == ["flu"]
    assert found["cut"] == [f"{school}.{owner}.rows" for owner in OWNERS]
    assert scripted.asked == [(owner, "GET", f"/personal-data/{person}") for owner in OWNERS]
    # The export is an act about the person, which the next one shows without its actor.
    assert await acts(gateway, person) == [("POST /v1/people/{person_id}/export", school, 200)]
    again = (await gateway.ask("POST", f"/v1/people/{person}/export", "school_admin", school, uuid4())).json()
    (act,) = again["schools"][0]["services"]["gateway"]["acts"]
    assert (act["own"], act["subject"], act["role"]) == (False, None, "school_admin")


async def test_a_person_gets_the_part_of_the_tokens_school_and_the_account(gateway, known):
    school, other, person, _ = known
    found = (await gateway.ask("POST", "/v1/me/export", "guardian", school, person)).json()
    assert [part["school_id"] for part in found["schools"]] == [str(school)]
    assert found["account"]["account"][0]["sign_in_address"] == f"{person}@example.org"
    assert [each["school_id"] for each in found["account"]["sessions"]] == [str(school)]
    assert len(found["account"]["devices"]) == 1
    assert str(other) not in str(found["schools"])
    assert await acts(gateway, person) == [("POST /v1/me/export", school, 200)]


async def test_administrators_of_the_group_get_every_school(gateway, known):
    school, other, person, _ = known
    found = (await gateway.ask("POST", f"/v1/people/{person}/export")).json()
    assert [part["school_id"] for part in found["schools"]] == sorted([str(school), str(other)])
    assert len(found["account"]["sessions"]) == 2
    one = await gateway.ask("POST", f"/v1/people/{person}/export", params={"school": str(other)})
    assert [part["school_id"] for part in one.json()["schools"]] == [str(other)]


async def test_a_school_exports_no_person_whom_it_does_not_know(gateway, known):
    _, _, person, scripted = known
    answer = await gateway.ask("POST", f"/v1/people/{person}/export", "school_admin", await gateway.add_school())
    assert (answer.status_code, scripted.asked) == (404, [])


@pytest.mark.parametrize("status", [404, 500])
async def test_an_owner_that_does_not_answer_ends_the_export(gateway, known, owners, status):
    school, _, person, _ = known
    owners(**{f"{owner}_GET": ANSWERED for owner in OWNERS} | {"files_GET": (status, {})})
    answer = await gateway.ask("POST", f"/v1/people/{person}/export", "school_admin", school)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "files" in answer.json()["detail"]


async def test_a_part_that_is_too_long_is_named(gateway, known, monkeypatch):
    _, _, person, _ = known
    monkeypatch.setattr(personal_data, "MOST_ROWS", 1)
    found = (await gateway.ask("POST", f"/v1/people/{person}/export")).json()
    assert len(found["account"]["sessions"]) == 1
    assert "account.sessions" in found["cut"]

"""What the file service says about a person for an export."""

import datetime as dt
from uuid import uuid4

import pytest

from services.files.tests.conftest import receipt
from shared.http.tokens import Claims, sign

pytestmark = pytest.mark.asyncio(loop_scope="module")
ADA = ("Ada", "Demo-Elm 0003")


async def exported(files, person, school):
    claims = Claims(role="school_admin", school=school, use="internal")
    headers = {"Authorization": f"Bearer {sign(files.key, claims, dt.timedelta(minutes=1))}"}
    answer = await files.client.get(f"/personal-data/{person}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["parts"]


async def test_files_about_a_student_are_exported_with_what_they_say(files):
    school, ada = await files.school(ADA)
    staff = uuid4()
    file = (await files.read(school, receipt(), student_id=ada, uploaded_by=staff)).file_id

    about, uploaded = await exported(files, ada, school), await exported(files, staff, school)

    assert [each["file_id"] for each in about["files"]] == [str(file)]
    assert about["readings"][0]["fields"]["merchant"]["value"] == "Demo Canteen"
    assert ([each["file_id"] for each in uploaded["files"]], uploaded["readings"]) == ([str(file)], [])
    assert not any((await exported(files, ada, uuid4())).values())

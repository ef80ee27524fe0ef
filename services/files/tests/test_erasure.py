"""Files about a person who was erased go at once, with their readings and blobs; others stay."""

from uuid import uuid4

import pytest

from files import erasure
from files.directory import projection
from services.files.tests.conftest import receipt
from services.files.tests.test_purge import ADA, BrokenStore, left
from shared.events import PersonChanged

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEN = ("Ben", "Demo-Fir 0002")
NOTHING = (0, 0, 0)
WHOLE = (1, 1, 1)


async def erased(files, person):
    event = PersonChanged(person_id=person, active=False, version=9, erased_at="2026-11-30T08:00:00Z")
    async with files.service.transactions.begin() as tx:
        await projection.remember_directory([event], tx)


async def read(files, school, **changes):
    return (await files.read(school, receipt(reference=uuid4().hex), **changes)).file_id


async def test_files_about_an_erased_student_go_and_others_stay(files):
    school, ada, ben = await files.school(ADA, BEN)
    about, other = await read(files, school, student_id=ada), await read(files, school, student_id=ben)

    await erased(files, ada)
    await erasure.erase_files(files.service.transactions, files.store)

    assert await left(files, school, about) == NOTHING
    assert await left(files, school, other) == WHOLE
    assert len(await files.events(about, "file.deleted")) == 1


async def test_uploads_of_an_erased_guardian_go_and_those_of_staff_stay(files):
    school, ada = await files.school(ADA)
    person = uuid4()
    guardians = await read(files, school, student_id=ada, uploaded_by=person, uploader_role="guardian")
    offices = await read(files, school, student_id=ada, uploaded_by=person, uploader_role="staff")

    await erased(files, person)
    await erasure.erase_files(files.service.transactions, files.store)

    assert await left(files, school, guardians) == NOTHING
    assert await left(files, school, offices) == WHOLE


async def test_erasure_goes_on_after_the_store_was_away(files):
    school, ada = await files.school(ADA)
    about = await read(files, school, student_id=ada)
    await erased(files, ada)

    await erasure.erase_files(files.service.transactions, BrokenStore(files.store, about))
    assert (await left(files, school, about))[0] == 1
    await erasure.erase_files(files.service.transactions, files.store)

    assert await left(files, school, about) == NOTHING

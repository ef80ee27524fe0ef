"""The copy of the directory: whole states, the newest wins."""

import datetime as dt
from uuid import uuid4

from shared.events.directory import Guardian, QuietHours

NIGHT = QuietHours(starts=dt.time(21), ends=dt.time(6, 30))


async def test_a_school_is_projected_with_quiet_hours_digest_office_and_announcements(harness):
    office = (uuid4(), uuid4())
    school = await harness.add_school(quiet=NIGHT, digest_at=dt.time(7, 15), office=office, announces=("absence",))
    (row,) = await harness.rows("SELECT * FROM school WHERE school_id = %s", (school,))
    assert (row["quiet_starts"], row["quiet_ends"], row["digest_at"]) == (NIGHT.starts, NIGHT.ends, dt.time(7, 15))
    assert (row["office"], row["announces"]) == (list(office), ["absence"])


async def test_quiet_hours_of_a_person_are_set_and_removed(harness):
    school = await harness.add_school()
    person = await harness.add_person(school, quiet=NIGHT)
    query = "SELECT quiet_starts, quiet_ends FROM person WHERE person_id = %s"
    assert (await harness.rows(query, (person,)))[0]["quiet_ends"] == NIGHT.ends
    await harness.add_person(school, person_id=person)
    assert (await harness.rows(query, (person,)))[0] == {"quiet_starts": None, "quiet_ends": None}


async def test_a_student_is_projected_with_classes_and_ranked_guardians(harness):
    school, classes, people = await harness.add_school(), (uuid4(),), (uuid4(), uuid4())
    guardians = tuple(Guardian(person_id=person, rank=rank) for rank, person in enumerate(people, start=1))
    student = await harness.add_student(school, classes=classes, guardians=guardians)
    (row,) = await harness.rows("SELECT classes FROM student WHERE student_id = %s", (student,))
    assert row["classes"] == list(classes)
    query = "SELECT guardian_id FROM guardianship WHERE student_id = %s ORDER BY rank"
    assert [row["guardian_id"] for row in await harness.rows(query, (student,))] == list(people)
    # when: an older state comes late
    await harness.add_student(school, student_id=student, version=1)
    assert len(await harness.rows(query, (student,))) == 2


async def test_a_small_send_is_sent_and_completed(harness):
    school = await harness.add_school()
    await harness.add_person(school, mails=("ada@example.org",), tokens=("a-token",))
    notification = await harness.plan(school)
    await harness.run_permits()
    assert await harness.states(notification) == {
        "push": {"accepted": 1}, "mail": {"accepted": 1}, "inbox": {"accepted": 1},
    }  # fmt: skip
    (completed,) = await harness.emitted("notification.completed")
    assert completed["notification_id"] == str(notification)

"""A report that is ready is told to whoever asked, and to whom it is for where the school lets it be."""

import datetime as dt
import json

import pytest
from uuid_utils.compat import uuid7

from gateway.records import report_announcements
from shared.events import ReportReady

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT = dt.datetime(2026, 12, 1, 6, tzinfo=dt.UTC)
ASKED = "SELECT data FROM outbox WHERE routing_key = 'notification.requested' AND data LIKE %s ORDER BY position"


class Desk:
    """A school whose reports are made, and what was asked for then."""

    def __init__(self, gateway, school):
        self.gateway, self.school, self.report = gateway, school, uuid7()

    async def ready(self, **changes):
        facts = {"name": "Monthly report", "period": "November 2026", "ready_at": AT}
        event = ReportReady(**({"report_id": self.report, "school_id": self.school} | facts | changes))
        async with self.gateway.service.transactions.begin() as tx:
            await report_announcements.announce_report(event, tx)

    async def asked(self):
        rows = await self.gateway.rows(ASKED, (f"%{self.report}%",))
        return [json.loads(row["data"]) for row in rows]

    async def whom(self):
        """Who is told: the parts of each audience that say something."""
        silent = ({}, None, False, [])
        audiences = [each["audience"] for each in await self.asked()]
        return [{k: v for k, v in each.items() if v not in silent and k != "responsibility"} for each in audiences]

    async def guardian(self, student, *, custody):
        person = await self.gateway.add_person(self.school)
        query = "INSERT INTO guardianship (school_id, student_id, guardian_id, custody) VALUES (%s, %s, %s, %s)"
        async with self.gateway.service.transactions.begin() as tx:
            add = "INSERT INTO student (school_id, student_id) VALUES (%s, %s) ON CONFLICT DO NOTHING"
            await tx.execute(add, (self.school, student))
            await tx.execute(query, (self.school, student, person, custody))
        return person


@pytest.fixture
def desk(gateway):
    async def make(*announces):
        school = await gateway.add_school()
        async with gateway.service.transactions.begin() as tx:
            await tx.execute("UPDATE school SET announces = %s WHERE school_id = %s", (list(announces), school))
        return Desk(gateway, school)

    return make


async def test_the_person_who_asked_is_notified_whatever_the_school_announces(desk):
    some = await desk()
    person = await some.gateway.add_person(some.school, "staff")
    await some.ready(requested_by=person)
    (asked,) = await some.asked()
    assert asked["audience"]["people"] == [str(person)]
    assert (asked["template"], asked["kind"]) == ("report_ready", "academic")
    assert asked["variables"] == {"report": "Monthly report", "period": "November 2026"}
    assert asked["data"] == {"record": "report", "record_id": str(some.report)}


async def test_what_time_triggered_is_for_the_administration(desk):
    some = await desk("report")
    await some.ready()
    assert await some.whom() == [{"school": True, "roles": ["school_admin"]}]


async def test_an_unrequested_report_is_not_announced_where_the_school_does_not_allow_it(desk):
    some = await desk("absence")
    await some.ready()
    await some.ready(student_id=await some.gateway.add_person(some.school, "student"))
    assert await some.asked() == []


@pytest.mark.parametrize("custody", [True, False])
async def test_a_students_report_reaches_each_guardian_with_custody_once(desk, custody):
    some = await desk("report")
    student = await some.gateway.add_person(some.school, "student")
    guardian = await some.guardian(student, custody=custody)
    await some.ready(student_id=student, requested_by=guardian)
    asked = await some.asked()
    assert asked[0]["audience"]["students"] == [str(student)]
    assert asked[0]["audience"]["responsibility"] == "custody"
    assert asked[0]["variables"]["report"] == "Monthly report, Ada"
    # then who asked hears of it once: among the others with custody, by themselves without
    assert [each["audience"]["people"] for each in asked[1:]] == ([] if custody else [[str(guardian)]])


def far_from_utc():
    """A timezone whose date is not UTC's at this moment, and that date."""
    now = dt.datetime.now(dt.UTC)
    for name, hours in (("Pacific/Kiritimati", 14), ("Etc/GMT+12", -12)):
        today = (now + dt.timedelta(hours=hours)).date()
        if today != now.date():
            return name, today
    raise AssertionError  # one of the two always has another date


@pytest.mark.parametrize(
    ("edge", "days", "holds"), [("ends", 0, False), ("starts", 1, False), ("ends", 1, True), ("starts", 0, True)]
)
async def test_a_reports_readers_are_those_of_the_schools_own_day(desk, edge, days, holds):
    """A membership begins and ends by the clock on the school's wall."""
    # given
    some, (zone, today) = await desk("report"), far_from_utc()
    requester = await some.gateway.add_person(some.school, "school_admin")
    async with some.gateway.service.transactions.begin() as tx:
        await tx.execute("UPDATE school SET timezone = %s WHERE school_id = %s", (zone, some.school))
        values = (today + dt.timedelta(days=days), requester)
        await tx.execute(f"UPDATE membership SET {edge} = %s WHERE person_id = %s", values)
    # when
    await some.ready(requested_by=requester)
    # then: a requester who is one of the administration today is not told twice, one who is not is told in any case
    others = [] if holds else [[str(requester)]]
    told = await some.whom()
    assert told[0] == {"school": True, "roles": ["school_admin"]}
    assert [each["people"] for each in told[1:]] == others


async def test_a_report_that_is_ready_twice_is_announced_once(desk):
    some = await desk("report")
    for _ in range(2):
        await some.ready(requested_by=await some.gateway.add_person(some.school, "staff"))
    assert len(await some.asked()) == 2

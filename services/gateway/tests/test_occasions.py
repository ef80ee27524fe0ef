"""Records of students become notifications: by the school's settings, to the right guardians, corrected where told."""

import datetime as dt
import json
from decimal import Decimal

import pytest
from uuid_utils.compat import uuid7

from gateway.records import announcements
from shared.events import AbsenceRecorded, BehaviorRecorded, PaymentRecorded

pytestmark = pytest.mark.asyncio(loop_scope="module")

TODAY = dt.date(2026, 11, 25)
AT = dt.datetime(2026, 11, 25, 8, tzinfo=dt.UTC)
ASKED = "SELECT data FROM outbox WHERE routing_key = 'notification.requested' AND data LIKE %s ORDER BY position"


class Records:
    """One student of one school, and what is recorded of them."""

    def __init__(self, gateway, school, student):
        self.gateway, self.school, self.student = gateway, school, student
        self.record = uuid7()

    async def take(self, kind, version, **changes):
        facts = {
            AbsenceRecorded: {"day": TODAY},
            BehaviorRecorded: {"happened_on": TODAY, "category": "Homework"},
            PaymentRecorded: {"status": "due", "amount": Decimal("12.50"), "currency": "EUR"},
        }[kind]
        ids = {"record_id": self.record, "school_id": self.school, "student_id": self.student}
        event = kind(**(ids | {"version": version, "recorded_at": AT, "directory_version": 3} | facts | changes))
        async with self.gateway.service.transactions.begin() as tx:
            await announcements.announce(event, tx)

    async def asked(self):
        """(template, whom) of each notification that was asked for."""
        rows = await self.gateway.rows(ASKED, (f"%{self.record}%",))
        return [json.loads(row["data"]) for row in rows]

    async def told(self):
        return [(each["template"], _whom(each["audience"])) for each in await self.asked()]


def _whom(audience):
    if audience["told"]:
        return "told"
    return "untold" if audience["except_told"] else audience["responsibility"]


@pytest.fixture
def records(gateway):
    async def make(*announces):
        school = await gateway.add_school()
        student = await gateway.add_person(school, "student")
        async with gateway.service.transactions.begin() as tx:
            await tx.execute("UPDATE school SET announces = %s WHERE school_id = %s", (list(announces), school))
        return Records(gateway, school, student)

    return make


@pytest.mark.parametrize(
    ("kind", "occasion", "template", "responsibility"),
    [
        (AbsenceRecorded, "absence", "absence", "care"),
        (BehaviorRecorded, "behavior", "behavior", "custody"),
        (PaymentRecorded, "payment_due", "payment_due", "billing"),
    ],
)
async def test_a_record_is_announced_to_the_responsible_guardians(records, kind, occasion, template, responsibility):
    some = await records(occasion)
    await some.take(kind, 1)
    (asked,) = await some.asked()
    assert (asked["template"], asked["audience"]["responsibility"]) == (template, responsibility)
    assert asked["audience"]["students"] == [str(some.student)]
    assert asked["variables"]["student"] == "Ada"
    assert asked["directory_version"] == 3
    intents = await some.gateway.rows(
        "SELECT task_id FROM intent WHERE notification_id = %s", (asked["notification_id"],)
    )
    assert [str(row["task_id"]) for row in intents] == [asked["task_id"]]


async def test_only_occasions_that_the_school_announces_are_announced(records):
    some = await records("behavior")
    await some.take(AbsenceRecorded, 1)
    await some.take(AbsenceRecorded, 2, withdrawn=True)
    assert await some.told() == []


@pytest.mark.parametrize("order", [(1, 1, 2, 2), (2, 1)])
async def test_a_repeat_or_an_older_state_is_not_announced(records, order):
    some = await records("absence")
    for version in order:
        await some.take(AbsenceRecorded, version)
    assert await some.told() == [("absence", "care")]


async def test_a_withdrawn_absence_is_corrected_for_its_recipients(records):
    some = await records("absence")
    await some.take(AbsenceRecorded, 1)
    await some.take(AbsenceRecorded, 2, withdrawn=True)
    first, second = await some.asked()
    assert await some.told() == [("absence", "care"), ("absence_withdrawn", "told")]
    assert second["correction"]
    assert first["origin"] == second["origin"] == f"absence:{some.record}"
    assert (first["origin_version"], second["origin_version"]) == (1, 2)


async def test_a_changed_absence_is_corrected_for_its_recipients_and_announced_to_the_others(records):
    some = await records("absence")
    await some.take(AbsenceRecorded, 1)
    await some.take(AbsenceRecorded, 2, status="late")
    await some.take(AbsenceRecorded, 3, status="excused")
    assert (await some.told())[1:] == [
        ("absence_changed", "told"),
        ("absence", "untold"),
        ("absence_changed", "told"),
    ]


async def test_a_correction_is_sent_even_when_the_school_announces_no_more(records):
    some = await records("absence")
    await some.take(AbsenceRecorded, 1)
    async with some.gateway.service.transactions.begin() as tx:
        await tx.execute("UPDATE school SET announces = '{}' WHERE school_id = %s", (some.school,))
    await some.take(AbsenceRecorded, 2, withdrawn=True)
    assert await some.told() == [("absence", "care"), ("absence_withdrawn", "told")]


async def test_a_payment_that_is_received_is_no_correction_of_its_being_due(records):
    some = await records("payment_due", "payment_received")
    await some.take(PaymentRecorded, 1, due_on=TODAY)
    await some.take(PaymentRecorded, 2, due_on=TODAY, status="received", paid_on=TODAY)
    await some.take(PaymentRecorded, 3, due_on=TODAY, status="received", paid_on=TODAY, file_id=uuid7())
    await some.take(PaymentRecorded, 4, due_on=TODAY, status="refunded", paid_on=TODAY)
    assert await some.told() == [
        ("payment_due", "billing"),
        ("payment_received", "billing"),
        ("payment_changed", "told"),
    ]


async def test_a_cancelled_payment_is_withdrawn(records):
    some = await records("payment_due")
    await some.take(PaymentRecorded, 1)
    await some.take(PaymentRecorded, 2, status="cancelled")
    assert (await some.told())[1:] == [("payment_withdrawn", "told")]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (AbsenceRecorded, {"day": TODAY - dt.timedelta(days=8)}),
        (AbsenceRecorded, {"status": "excused"}),
        (AbsenceRecorded, {"withdrawn": True}),
        (BehaviorRecorded, {"happened_on": TODAY - dt.timedelta(days=30)}),
        (PaymentRecorded, {"status": "received", "paid_on": TODAY - dt.timedelta(days=30)}),
    ],
)
async def test_history_and_unchanged_records_are_not_announced(records, kind, changes):
    some = await records("absence", "behavior", "payment_due", "payment_received")
    await some.take(kind, 1, **changes)
    assert await some.told() == []

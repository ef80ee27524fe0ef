"""What a file says is recorded once."""

from uuid import uuid4

import pytest

from gateway.files import recording
from services.gateway.tests.files.uploads import add_student
from shared.errors import Reject
from shared.events import FileConfirmed, FileProcessed
from shared.events.files import RecordFound

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECORDED = """
SELECT routing_key AS topic, data::jsonb AS data FROM outbox
WHERE routing_key LIKE '%%.recorded' AND data::jsonb ->> 'school_id' = %s ORDER BY position
"""


def found(kind, student, **facts):
    return RecordFound(kind=kind, student_id=student, facts=facts)


def processed(file, school, *records, kind="payment_receipt"):
    return FileProcessed(
        file_id=file,
        school_id=school,
        version=2,
        kind=kind,
        records=records,
        uploaded_by=uuid4(),
        processed_at="2026-11-20T08:00:00Z",
    )


async def test_a_processed_file_is_recorded_once(gateway, school, student):
    # given
    file = uuid4()
    facts = {"status": "received", "amount": "42.5", "currency": "EUR", "paid_on": "2026-11-12", "file_id": str(file)}
    event = processed(file, school, found("payment", student, **facts))
    # when
    for _ in range(2):
        async with gateway.service.transactions.begin() as tx:
            await recording.record_processed(event, tx)
    confirmed = FileConfirmed(
        **event.model_dump(include={"file_id", "school_id", "kind", "records"}),
        version=3,
        confirmed_at="2026-11-20T09:00:00Z",
    )
    async with gateway.service.transactions.begin() as tx:
        await recording.record_confirmed(confirmed, tx)
    # then
    (recorded,) = await gateway.rows(RECORDED, (str(school),))
    assert (recorded["topic"], recorded["data"]["file_id"]) == ("payment.recorded", str(file))
    assert (recorded["data"]["amount"], recorded["data"]["recorded_by"]) == ("42.5", str(event.uploaded_by))
    listed = (await gateway.ask("GET", "/v1/payments", "staff", school, uuid4())).json()["items"]
    assert [item["facts"]["amount"] for item in listed] == ["42.5"]


async def test_a_transcript_is_a_grade_for_each_row(gateway, school, student):
    file = uuid4()
    grades = [
        found("grade", student, course=course, term="First term", given_on="2026-11-20", grade=grade)
        for course, grade in (("Mathematics", "A-"), ("Languages", "B+"))
    ]
    async with gateway.service.transactions.begin() as tx:
        await recording.record_processed(processed(file, school, *grades, kind="transcript"), tx)
    rows = await gateway.rows(RECORDED, (str(school),))
    assert sorted((row["data"]["course"], row["data"]["grade"]) for row in rows) == [
        ("Languages", "B+"),
        ("Mathematics", "A-"),
    ]


async def test_facts_that_cannot_be_recorded_are_rejected_for_a_person_to_see(gateway, school, student):
    for record in (found("payment", student, amount="-1"), found("grade", uuid4(), course="x", grade="1")):
        with pytest.raises(Reject):
            async with gateway.service.transactions.begin() as tx:
                await recording.record_processed(processed(uuid4(), school, record), tx)
    assert await gateway.rows(RECORDED, (str(school),)) == []


async def test_a_divided_receipt_is_a_payment_of_each_sibling(gateway, school, student):
    # given
    file, sibling = uuid4(), await add_student(gateway, school)
    facts = {"status": "received", "currency": "EUR", "paid_on": "2026-11-12", "file_id": str(file)}
    parts = [found("payment", student, amount="2.5", **facts)]
    parts.append(found("payment", sibling, amount="2.5", file_part=2, **facts))
    # when
    for _ in range(2):
        async with gateway.service.transactions.begin() as tx:
            await recording.record_processed(processed(file, school, *parts), tx)
    # then
    rows = await gateway.rows(RECORDED, (str(school),))
    assert sorted(row["data"]["student_id"] for row in rows) == sorted(map(str, (student, sibling)))

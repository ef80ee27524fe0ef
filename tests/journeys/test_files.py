"""From an uploaded document to its record and to the parents; also when the file service is killed in between."""

import asyncio
import datetime as dt
from contextlib import closing

import pytest

from cli.demo import paper_actions
from cli.demo.documents.maker import make_document, photograph
from cli.demo.office_actions import Office
from cli.demo.paperwork import receipt_facts
from cli.operations import tokens
from shared.testing.fixtures import eventually

# A student whose guardian answers for payments and can be reached by mail.
FAMILY = """
SELECT g.school_id, g.student_id, p.given_name || ' ' || p.family_name AS name
FROM gateway.guardianship g JOIN gateway.person p ON p.person_id = g.student_id
WHERE g.billing AND EXISTS (SELECT FROM gateway.contact c WHERE c.person_id = g.guardian_id AND c.kind = 'mail')
ORDER BY g.student_id OFFSET %s LIMIT 1
"""
PAYMENTS = """
SELECT record_id, facts ->> 'amount' AS amount FROM gateway.record WHERE kind = 'payment' AND facts ->> 'file_id' = %s
"""
DELIVERED = """
SELECT d.channel, d.state FROM notifier.notification n JOIN notifier.delivery d USING (notification_id)
WHERE n.origin = %s AND n.template = 'payment_received' AND d.channel <> 'push'
"""
STATE = "SELECT state FROM gateway.task WHERE task_id = %s"
TASK = "SELECT task_id FROM gateway.upload WHERE file_id = %s"
LEFT_OVER = "SELECT count(*) AS n FROM gateway.upload WHERE state <> 'stored'"


@pytest.fixture(scope="module")
def documents(system):
    """The system with the file service; it ends with these tests."""
    system.extra["READING_LEASE"] = "6"
    asyncio.run(system.start("files"))
    yield system
    asyncio.run(system.fleet.stop("files"))


@pytest.fixture
def office(documents):
    key = documents.backing.keys / "signing.pem"
    with closing(Office(documents.url, lambda: tokens.make(key, "platform_admin"))) as found:
        yield found


def family(system, number):
    (row,) = system.rows(FAMILY, number)
    return str(row["school_id"]), str(row["student_id"]), row["name"]


async def test_a_receipt_becomes_one_payment_and_the_parents_hear_of_it(documents, office):
    # given
    school, student, name = family(documents, 0)
    before = office.settings(school, announces=["payment_received"])
    pdf = make_document("payment_receipt", receipt_facts(name, dt.datetime.now(dt.UTC).date()), "receipt_invoice")
    # when
    upload = (school, student, "payment_receipt", "receipt.pdf", pdf, "one-receipt")
    file = await asyncio.to_thread(paper_actions.upload, office, *upload)
    # then
    assert paper_actions.read(office, file)["state"] == "processed"
    found = await asyncio.to_thread(paper_actions.records, office, school, "payments", student, file, 1)
    assert found[0]["amount"] == "42.5"
    (payment,) = documents.rows(PAYMENTS, file)

    async def delivered():
        rows = await asyncio.to_thread(documents.rows, DELIVERED, f"payment:{payment['record_id']}")
        return {(row["channel"], row["state"]) for row in rows}

    await eventually(delivered, lambda seen: {("mail", "accepted"), ("inbox", "accepted")} <= seen, within=60)
    office.settings(school, **before)
    # and the same upload again is the same file
    assert await asyncio.to_thread(paper_actions.upload, office, *upload) == file


@pytest.mark.timeout(300)
async def test_a_kill_in_the_middle_of_reading_loses_nothing_and_records_once(documents, office):
    # given
    school, student, name = family(documents, 1)
    facts = receipt_facts(name, dt.datetime.now(dt.UTC).date())
    picture = photograph(make_document("payment_receipt", facts, "receipt_invoice"))
    upload = ("payment_receipt", "receipt.jpg", picture, "killed-in-between")
    reading = asyncio.create_task(asyncio.to_thread(paper_actions.upload, office, school, student, *upload))

    async def running():
        rows = await asyncio.to_thread(documents.rows, "SELECT state FROM gateway.task WHERE kind = 'file.process'")
        return [row["state"] for row in rows]

    await eventually(running, lambda states: "running" in states, within=60)
    # when
    await asyncio.to_thread(documents.kill, "files")
    await documents.start("files")
    # then
    file = await reading
    found = await asyncio.to_thread(paper_actions.read, office, file)
    if found["state"] == "needs_review":  # OCR may be unsure of one value
        await asyncio.to_thread(paper_actions.confirm, office, found, {"amount": "42.50", "date": facts["date"]})
    await asyncio.to_thread(paper_actions.records, office, school, "payments", student, file, 1)
    assert len(documents.rows(PAYMENTS, file)) == 1
    assert documents.rows(LEFT_OVER)[0]["n"] == 0

"""Every send that was accepted ends: one whose message fails for good is failed, with a reason its school can read."""

from uuid import UUID

from uuid_utils.compat import uuid7

from notifier import handlers
from notifier.permits import PlanPermit
from shared.consumers.final_failure import FinalFailure
from shared.events import Envelope

REASON = "the reason"
FAILED = "it could not be processed, and nothing was sent: the reason"


async def failed(client, content, envelope):
    async with client.harness.service.transactions.begin(envelope) as tx:
        await handlers.fail_intent(FinalFailure(envelope, content, REASON), tx)


async def test_trust_8_an_intent_whose_message_dies_ends_failed_with_its_reason(client):
    event = client.intent({"people": (await client.add_person(),)})
    await failed(client, event, Envelope.of(event, "gateway"))
    rows = await client.harness.rows(
        "SELECT state, error, completed_at FROM notification WHERE notification_id = %s", (event.notification_id,)
    )
    assert [(row["state"], row["error"]) for row in rows] == [("failed", FAILED)]
    assert rows[0]["completed_at"]
    task = await client.harness.task(event.notification_id)
    assert (task["state"], task["error"]) == ("failed", FAILED)
    # and its message, returned to the queue by an operator, sends nothing: the school may have sent it again
    await client.harness.receive(event)
    await client.harness.run_permits()
    assert await client.state(event.notification_id) == "failed"
    assert client.harness.mail.sent == []


async def test_trust_8_an_intent_that_cannot_be_read_ends_its_task(client):
    event = client.intent({"people": (uuid7(),)})
    await failed(client, None, Envelope.of(event, "gateway"))
    tasks = await client.harness.emitted("task.changed")
    assert [(UUID(each["task_id"]), each["state"], each["error"]) for each in tasks] == [
        (event.task_id, "failed", FAILED)
    ]


async def test_trust_8_a_waiting_send_whose_permit_dies_ends_failed(client):
    event = client.intent({"people": (await client.add_person(),)}, directory_version=99)
    await client.harness.receive(event)
    permit = PlanPermit(notification_id=event.notification_id)
    await failed(client, permit, Envelope.of_work(permit.name, permit.subject, "notifier"))
    assert await client.state(event.notification_id) == "failed"
    assert (await client.harness.task(event.notification_id))["error"] == FAILED


async def test_trust_8_a_planned_send_is_not_failed_by_a_late_death(client):
    event = client.intent({"people": (await client.add_person(),)})
    await client.harness.receive(event)
    await failed(client, event, Envelope.of(event, "gateway"))
    assert await client.state(event.notification_id) == "sending"


async def test_trust_8_a_cancelled_intent_whose_message_dies_ends_cancelled(client):
    event = client.intent({"people": (await client.add_person(),)})
    await client.call("POST", f"/v1/notifications/{event.notification_id}/cancel")
    await failed(client, event, Envelope.of(event, "gateway"))
    assert await client.state(event.notification_id) == "cancelled"
    assert (await client.harness.task(event.notification_id))["state"] == "cancelled"


async def test_trust_8_a_text_that_makes_no_message_fails_its_delivery_for_good(client):
    """A broken rendering is in the rows: the delivery fails with a reason, and the send ends."""
    sent = await client.plan({"people": (await client.add_person(language="en"),)}, channels=("mail",))
    await client.harness.execute(
        "INSERT INTO rendering (notification_id, language, school_id, spoken, title, body, push_title, push_body) "
        "VALUES (%s, 'en', %s, E'en\\u00fc', 't', 'b', 't', 'b')",
        (sent, client.school),
    )
    await client.harness.run_to_end()
    assert set((await client.deliveries(sent)).values()) == {"message_not_built"}
    assert await client.state(sent) == "completed"

"""From a send that is asked for later, through the scheduler, to what people were told: once, or cancelled, never."""

import asyncio
import datetime as dt

import httpx

from cli.demo import school
from cli.operations import tokens
from shared.events import FINAL
from shared.testing.fixtures import eventually

TOLD = """
SELECT n.state, count(*) FILTER (WHERE d.state = 'accepted') AS accepted, count(d.person_id) AS planned
FROM notifier.notification n LEFT JOIN notifier.delivery d USING (notification_id)
WHERE n.notification_id = %s GROUP BY n.state
"""
RUNS = "SELECT last_notification_id, runs FROM scheduler.schedule WHERE schedule_id = %s"
SOON = dt.timedelta(seconds=3)


async def ask(system, method, path, **more):
    token = tokens.make(system.backing.keys / "signing.pem", "platform_admin", None)
    async with httpx.AsyncClient(base_url=system.url, timeout=30, trust_env=False) as client:
        return await client.request(method, path, headers={"Authorization": f"Bearer {token}"}, **more)


async def send(system, **timing):
    body = {
        "school": school.SCHOOLS[0].sourced_id,
        "type": "general",
        "title": "Excursion",
        "body": "A made-up text.",
        "audience": {"grade": "05"},
        "channels": ["push", "inbox"],
    }
    answer = await ask(system, "POST", "/v1/notifications", json=body | timing)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def told(system, notification):
    rows = await asyncio.to_thread(system.rows, TOLD, notification)
    return rows[0] if rows else None


async def completed(system, notification):
    return await eventually(
        lambda: told(system, notification), lambda row: row is not None and row["state"] == "completed", within=60
    )


async def known(system, schedule):
    async def look():
        return (await ask(system, "GET", f"/v1/schedules/{schedule}")).json()

    return await eventually(look, lambda seen: seen["state"] != "accepted", within=20)


async def test_a_scheduled_send_fires_once_through_a_kill_and_a_cancelled_one_never(scheduled):
    # given
    due = dt.datetime.now(dt.UTC) + SOON
    sent = await send(scheduled, deliver_at=due.isoformat())
    dropped = await send(scheduled, deliver_at=due.isoformat())
    for ids in (sent, dropped):
        await known(scheduled, ids["schedule_id"])
    cancelled = await ask(scheduled, "DELETE", f"/v1/schedules/{dropped['schedule_id']}")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    # when: the scheduler dies before they are due, and is back
    scheduled.kill("scheduler")
    await scheduled.start("scheduler")
    row = await completed(scheduled, sent["notification_id"])
    # then
    assert row["accepted"] > 20
    result = await scheduled.finished(sent["task_id"])
    assert result["notification_id"] == sent["notification_id"]
    seen = await known(scheduled, sent["schedule_id"])
    assert (seen["state"], seen["runs"], seen["last_run"]["outcome"]) == ("done", 1, "ran")
    assert seen["last_run"]["task"]["state"] == "succeeded"
    assert await told(scheduled, dropped["notification_id"]) is None

    async def ended():
        return (await ask(scheduled, "GET", f"/v1/tasks/{dropped['task_id']}")).json()["state"]

    # What the dead one had begun to publish is published by the next once its lease is over.
    await eventually(ended, lambda state: state == "cancelled", within=60)
    # and too late is too late: the scheduler has fired it, the notifier has sent it
    late = await ask(scheduled, "DELETE", f"/v1/schedules/{sent['schedule_id']}")
    assert (late.status_code, late.json()["code"]) == (409, "too_late")


async def test_a_repeating_send_can_be_tried_at_once_paused_and_looked_up_by_its_run(scheduled):
    # given
    repeat = {"kind": "cron", "expression": "0 8 * * mon-fri", "skip_closed": True}
    schedule = (await send(scheduled, repeat=repeat, timezone="Europe/Berlin"))["schedule_id"]
    next_run = (await known(scheduled, schedule))["next_run"]
    assert "T08:00:00+0" in next_run
    # when
    answer = await ask(scheduled, "POST", f"/v1/schedules/{schedule}/run-now")
    assert (answer.status_code, answer.json()["next_run"]) == (200, next_run)
    run = (await asyncio.to_thread(scheduled.rows, RUNS, schedule))[0]
    await completed(scheduled, run["last_notification_id"])

    async def found():
        return await ask(scheduled, "GET", f"/v1/notifications/{run['last_notification_id']}")

    # then
    shown = await eventually(found, lambda response: response.status_code == 200, within=20)
    assert shown.json()["state"] == "completed"
    paused = await ask(scheduled, "POST", f"/v1/schedules/{schedule}/pause")
    assert (paused.json()["state"], paused.json()["next_run"]) == ("paused", None)


RECIPIENTS = """
SELECT person_id, count(DISTINCT notification_id) AS notifications FROM notifier.delivery
WHERE notification_id = ANY(%s) GROUP BY person_id
"""


async def test_a_few_people_receive_it_first_all_others_once_and_a_stop_ends_both(scheduled):
    # given: one send whose rest leaves, and one that is stopped after its first part
    canary = {"count": 3, "after_minutes": 60}
    sent, stopped = [await send(scheduled, canary=canary) for _ in range(2)]
    for ids in (sent, stopped):
        assert (await completed(scheduled, ids["notification_id"]))["planned"] > 0
        await known(scheduled, ids["rest"]["schedule_id"])
    # when
    runs = await ask(scheduled, "POST", f"/v1/schedules/{sent['rest']['schedule_id']}/run-now")
    assert runs.status_code == 200, runs.text
    stop = await ask(scheduled, "POST", f"/v1/notifications/{stopped['notification_id']}/cancel")
    assert (stop.status_code, stop.json()["stopped"]) == (200, True)
    # then
    await completed(scheduled, sent["rest"]["notification_id"])
    both = [sent["notification_id"], sent["rest"]["notification_id"]]
    rows = scheduled.rows(RECIPIENTS, both)
    assert {row["notifications"] for row in rows} == {1}
    assert len(scheduled.rows(RECIPIENTS, both[:1])) == 3
    answer = await ask(scheduled, "GET", f"/v1/notifications/{both[0]}")
    assert answer.json()["canary"]["rest"] == both[1]
    whole = await ask(scheduled, "POST", "/v1/notifications:preview", json={
        "school": school.SCHOOLS[0].sourced_id, "type": "general", "audience": {"grade": "05"}})  # fmt: skip
    assert len(rows) == whole.json()["people"]

    async def state():
        return (await ask(scheduled, "GET", f"/v1/tasks/{stopped['task_id']}")).json()["state"]

    assert await eventually(state, lambda found: found in FINAL, within=60) == "cancelled"
    assert scheduled.rows(RECIPIENTS, [stopped["rest"]["notification_id"]]) == []

"""Decisions from the public door to the providers and back."""

import asyncio
import uuid
from contextlib import closing

import httpx

from cli.demo import school
from cli.demo.client import Message
from shared.testing.fixtures import eventually

STATES = "SELECT channel, state, count(*) AS n FROM notifier.delivery WHERE notification_id = %s GROUP BY 1, 2"
ADDRESS = "SELECT address FROM notifier.delivery WHERE notification_id = %s"
SOMEONE = """
SELECT m.person_id::text AS person, m.school_id::text AS school FROM gateway.membership m
JOIN gateway.contact c USING (person_id) LEFT JOIN gateway.device d USING (person_id)
WHERE m.role = 'guardian' AND c.kind = 'mail' AND d.token IS NULL ORDER BY m.person_id OFFSET %s LIMIT 1
"""
DEVICES = "SELECT count(*) AS n FROM gateway.device WHERE token = %s"


def message(where, audience=None, channels=("push",)):
    return Message(where, "general", "Hello", "A made-up text.", audience or {"school": True}, channels)


def counts(system, notification):
    found = {}
    for row in system.rows(STATES, notification):
        found.setdefault(row["channel"], {})[row["state"]] = row["n"]
    return found


async def completed(system, notification):
    async def look():
        found = system.rows("SELECT state FROM notifier.notification WHERE notification_id = %s", notification)
        return found[0]["state"] if found else None

    await eventually(look, lambda state: state == "completed", within=60)


async def test_a_bulk_is_stopped_in_the_middle_and_no_call_is_made_after_that(system):
    system.faults("fcm", latency_ms=900)
    try:
        with closing(system.api()) as api:
            everybody = message(api.school(school.SCHOOLS[1].sourced_id))
            notification = api.send(everybody, str(uuid.uuid4()))

            async def accepted():
                return counts(system, notification).get("push", {}).get("accepted", 0)

            await eventually(accepted, lambda n: n > 100, within=60)
            # when
            path = f"/v1/notifications/{notification}/cancel"
            answer = await asyncio.to_thread(api._client.post, path)
            assert answer.status_code == 200, answer.text
            assert answer.json()["cancelled"] > 0

            async def states():
                return counts(system, notification)["push"]

            await eventually(states, lambda found: "sending" not in found, within=30)
            sent = system.stats("fcm")["calls_total"]
            # what a worker held when the stop came is ended by a sweep
            ended = await eventually(states, lambda found: "pending" not in found, within=30)
            assert ended["cancelled"] >= answer.json()["cancelled"]
            assert set(ended) <= {"accepted", "cancelled", "suppressed"}
            # then: nothing more comes, and a second stop is the same
            assert (await asyncio.to_thread(api._client.post, path)).status_code == 200
            assert system.stats("fcm")["calls_total"] == sent
            assert api.notification(notification).state == "cancelled"
    finally:
        system.faults("fcm", latency_ms=0)


async def test_a_dead_token_is_forgotten_everywhere_and_a_resend_reaches_the_new_one(system):
    (someone,) = system.rows(SOMEONE, 0)
    old, new = f"dead-{uuid.uuid4().hex}", f"new-{uuid.uuid4().hex}"
    system.faults("fcm", unregistered_tokens=[old])
    with closing(system.api()) as api:
        await register(api, someone["person"], old)
        pushed = message(someone["school"], {"people": [someone["person"]]})
        notification = api.send(pushed, str(uuid.uuid4()))
        await completed(system, notification)

        async def left():
            return system.rows(DEVICES, old)[0]["n"]

        await eventually(left, lambda n: n == 0, within=20)
        assert counts(system, notification) == {"push": {"failed": 1}}
        # when there is a new device
        await register(api, someone["person"], new)
        path = f"/v1/notifications/{notification}/resend"
        again = [await asyncio.to_thread(api._client.post, path, headers={"Idempotency-Key": "x"}) for _ in range(2)]
        assert [answer.status_code for answer in again] == [202, 202], again[0].text
        assert again[0].json()["task_id"] == again[1].json()["task_id"]
        await system.finished(again[0].json()["task_id"])
    # then
    assert counts(system, notification) == {"push": {"failed": 1, "accepted": 1}}
    system.faults("fcm", unregistered_tokens=[])


async def register(api, person, token):
    row = {"person": {"id": person}, "token": token, "platform": "android"}
    answer = await asyncio.to_thread(api._client.post, "/v1/devices:bulk", json={"devices": [row]})
    assert answer.status_code < 300, answer.text


async def test_one_click_from_a_mail_stops_the_next(system):
    (someone,) = system.rows(SOMEONE, 1)
    mailed = message(someone["school"], {"people": [someone["person"]]}, ("mail",))
    with closing(system.api()) as api:
        first = api.send(mailed, str(uuid.uuid4()))
        await completed(system, first)
        (address,) = {row["address"] for row in system.rows(ADDRESS, first)}
        async with httpx.AsyncClient(base_url=system.mail) as fake:
            received = (await fake.get("/received", params={"limit": 1, "recipient": address})).json()
        link = received[0]["content"].split("List-Unsubscribe: <", 1)[1].split(">", 1)[0]
        path = f"/unsubscribe/{link.rpartition('/')[2]}"
        async with httpx.AsyncClient(base_url=system.url) as anybody:
            assert "<form" in (await anybody.get(path)).text
            body = {"List-Unsubscribe": "One-Click"}
            assert (await anybody.post(path, data=body)).status_code == 200
            assert (await anybody.post(path[:-4] + "0000", data=body)).status_code == 404
        second = api.send(mailed, str(uuid.uuid4()))
        await completed(system, second)
    assert counts(system, second) == {"mail": {"suppressed": 1}}

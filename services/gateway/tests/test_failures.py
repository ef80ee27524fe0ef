"""What failed for good is kept once, and an operator gives it back: it is handled, or it is a failure again."""

import asyncio
import datetime as dt
import hashlib
from uuid import uuid4

import aio_pika
import pytest

from gateway.operations import dead_letters
from shared.consumers.dead_letters import DeadLetter
from shared.events import DeviceInvalidated, Envelope, PersonChanged
from shared.messaging import topology
from shared.testing.fixtures import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUEUE = "gateway.device.invalidated"
KEPT = "SELECT * FROM failure WHERE message_id = %s"


def invalidated(person=None, token="t"):
    sha = hashlib.sha256(token.encode()).hexdigest()
    when = dt.datetime.now(dt.UTC)
    return DeviceInvalidated(school_id=uuid4(), person_id=person or uuid4(), token_sha256=sha, attempted_at=when)


async def buried(gateway, headers, body, queue=QUEUE):
    """A letter that the gateway has kept; its row."""
    letter = DeadLetter.of(headers | {"sc-queue": queue, "sc-attempt": 4}, body, dt.datetime.now(dt.UTC))
    async with gateway.service.transactions.begin() as tx:
        await dead_letters.store_failures(letter, tx)
    (row,) = await gateway.rows(KEPT, (headers["ce-id"],))
    return row


def retry(gateway, failure, **who):
    return gateway.ask("POST", f"/v1/failures/{failure}/retry", **who)


async def test_what_is_given_back_once_mended_is_handled_and_cannot_be_given_back_again(live):
    # given: a device's end that failed
    school, token, operator = await live.add_school(), uuid4().hex, uuid4()
    person = await live.add_person(school)
    await live.ask("PUT", "/v1/me/devices", "guardian", school, person, json={"token": token, "platform": "web"})
    fact = invalidated(person, token)
    row = await buried(live, Envelope.of(fact, "test").headers(), fact.model_dump_json().encode())
    # when
    answer = await retry(live, row["failure_id"], person=operator)
    # then
    assert answer.status_code == 200, answer.text
    assert (answer.json()["given_back_by"], answer.json()["deaths"]) == (str(operator), 1)
    assert "body" not in answer.json()
    await eventually(
        lambda: live.one("SELECT count(*) FROM device WHERE token = %s", (token,)), lambda devices: devices == 0
    )
    again = await retry(live, row["failure_id"])
    assert (again.status_code, again.json()["code"], again.json()["state"]) == (409, "too_late", "given_back")
    # and it is known who did that
    acts = (await live.ask("GET", "/v1/audit", params={"person": str(operator)})).json()["items"]
    assert [(act["action"], act["subject"]) for act in acts] == [
        ("POST /v1/failures/{failure_id}/retry", {"failure_id": str(row["failure_id"])})
    ]


async def test_a_retry_goes_to_the_queue_that_failed_and_to_no_other(live):
    # given: another consumer of the same event
    fact = invalidated()
    headers = Envelope.of(fact, "test").headers()
    row = await buried(live, headers, fact.model_dump_json().encode())
    async with await aio_pika.connect(live.backing.amqp_url) as connection:
        channel = await connection.channel()
        other = await channel.declare_queue(exclusive=True)
        await other.bind(topology.EVENTS, "device.invalidated")
        # when: it is retried, and then the event comes once more
        assert (await retry(live, row["failure_id"])).status_code == 200
        state = "SELECT count(*) FROM outbox"
        await eventually(lambda: live.one(state), lambda waiting: waiting == 0)
        async with live.service.transactions.begin() as tx:
            tx.emit(later := invalidated())
        # then
        received = await eventually(lambda: other.get(fail=False), bool)
        assert received.headers["ce-id"] != headers["ce-id"]
        assert str(later.person_id) in received.body.decode()
        assert await other.get(fail=False) is None


async def test_a_letter_of_somebody_elses_is_kept_whatever_its_headers_say(live):
    # given: texts longer than an index takes, and values of other kinds
    body = uuid4().hex.encode()
    long = "".join(uuid4().hex for _ in range(600))
    headers = {"ce-id": long, "sc-queue": long, "sc-fingerprint": long, "ce-schoolid": 7, "sc-attempt": "x", "a": [1]}
    async with await aio_pika.connect(live.backing.amqp_url) as connection:
        channel = await connection.channel()
        # when
        await channel.default_exchange.publish(aio_pika.Message(body, headers=headers), topology.DEAD)
    # then
    (row,) = await eventually(lambda: live.rows("SELECT * FROM failure WHERE body = %s", (body,)), len)
    assert (row["message_id"], row["queue"], row["school_id"], row["attempts"]) == (long[:500], long[:500], None, 0)
    assert row["headers"]["ce-id"] == long


async def test_what_dies_again_is_one_failure_and_open_again(live):
    # given: a message that nobody can read
    headers = Envelope.of(invalidated(), "test").headers()
    async with await aio_pika.connect(live.backing.amqp_url) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(b"no json", headers=headers), QUEUE)
    found = await eventually(lambda: live.rows(KEPT, (headers["ce-id"],)), len)
    # when
    assert (await retry(live, found[0]["failure_id"])).status_code == 200

    # then
    async def deaths():
        return [(row["deaths"], row["given_back_at"]) for row in await live.rows(KEPT, (headers["ce-id"],))]

    await eventually(deaths, lambda seen: seen == [(2, None)])
    listed = (await live.ask("GET", "/v1/failures", params={"limit": 200})).json()["items"]
    assert [each["deaths"] for each in listed if each["message_id"] == headers["ce-id"]] == [2]
    assert (await retry(live, found[0]["failure_id"])).status_code == 200


async def test_a_letter_that_comes_twice_is_kept_once_and_stays_given_back(live):
    # given
    fact = invalidated()
    headers = Envelope.of(fact, "test").headers() | {"sc-last-failed": "2026-01-01T00:00:00+00:00"}
    row = await buried(live, headers, fact.model_dump_json().encode())
    await retry(live, row["failure_id"])
    # when
    same = await buried(live, headers, fact.model_dump_json().encode())
    # then
    assert (same["failure_id"], same["deaths"]) == (row["failure_id"], 1)
    assert same["given_back_at"] is not None


@pytest.mark.parametrize(("body", "queue", "says"), [(b"\xff", QUEUE, "not text"), (b"{}", "unknown", "its queue")])
async def test_what_has_no_way_back_says_why_and_stays(live, body, queue, says):
    row = await buried(live, Envelope.of(invalidated(), "test").headers(), body, queue)
    # when
    answer = await retry(live, row["failure_id"])
    # then
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert says in answer.json()["detail"]
    (after,) = await live.rows(KEPT, (row["message_id"],))
    assert after["given_back_at"] is None


async def test_a_message_that_its_consumer_may_have_forgotten_is_not_sent_again(live):
    fact = invalidated()
    long_ago = (dt.datetime.now(dt.UTC) - dt.timedelta(days=91)).isoformat()
    headers = Envelope.of(fact, "test").headers() | {"sc-first-failed": long_ago}
    row = await buried(live, headers, fact.model_dump_json().encode())
    answer = await retry(live, row["failure_id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "more than 90 days ago" in answer.json()["detail"]
    (after,) = await live.rows(KEPT, (row["message_id"],))
    assert after["given_back_at"] is None


@pytest.mark.parametrize(("failure", "status"), [(2**62, 404), (0, 422), (2**70, 422), ("x", 422)])
async def test_a_failure_that_is_not_there_is_not_found(live, failure, status):
    assert (await retry(live, failure)).status_code == status


async def test_of_many_who_give_it_back_at_once_one_does(live):
    # given
    fact = invalidated()
    row = await buried(live, Envelope.of(fact, "test").headers(), fact.model_dump_json().encode())
    # when
    answers = await asyncio.gather(*(retry(live, row["failure_id"]) for _ in range(8)))
    # then
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7


def edit(gateway, failure, changes, **more):
    return gateway.ask(
        "POST", f"/v1/failures/{failure}/edit", json={"changes": changes, "reason": "a wrong time"} | more
    )


async def test_an_edited_message_is_handled_and_says_how_it_was_resolved(live):
    # given: the end of a device, with a time that was before its registration
    school, token = await live.add_school(), uuid4().hex
    person = await live.add_person(school)
    await live.ask("PUT", "/v1/me/devices", "guardian", school, person, json={"token": token, "platform": "web"})
    fact = invalidated(person, token)
    old = fact.model_copy(update={"attempted_at": fact.attempted_at - dt.timedelta(days=9)})
    row = await buried(live, Envelope.of(old, "test").headers(), old.model_dump_json().encode())
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)).isoformat()
    # when it is only looked at
    seen = await edit(live, row["failure_id"], {"attempted_at": later}, dry_run=True)
    # then nothing is sent
    assert (seen.status_code, seen.json()["failure"]["state"]) == (200, "open"), seen.text
    assert [each["field"] for each in seen.json()["diff"]] == ["attempted_at"]
    # when
    answer = await edit(live, row["failure_id"], {"attempted_at": later, "token_sha256": fact.token_sha256})
    # then
    assert answer.status_code == 200, answer.text
    assert answer.json()["diff"] == seen.json()["diff"]
    await eventually(
        lambda: live.one("SELECT count(*) FROM device WHERE token = %s", (token,)), lambda devices: devices == 0
    )

    async def state():
        return (await live.ask("GET", f"/v1/failures/{row['failure_id']}")).json()

    resolved = await eventually(state, lambda each: each["state"] == "resolved")
    assert (resolved["edited_fields"], resolved["edit_reason"]) == (["attempted_at"], "a wrong time")
    (kept,) = await live.rows(KEPT, (row["message_id"],))
    assert kept["original_body"] == old.model_dump_json().encode()
    again = await edit(live, row["failure_id"], {"attempted_at": later})
    assert (again.status_code, again.json()["code"]) == (409, "too_late")


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"attempted_at": "soon"}, 422, "attempted_at"),
        ({"nothing": 1}, 422, "no such field"),
        ({"school_id": str(uuid4())}, 422, "another school"),
        ({"attempted_at": None}, 422, "attempted_at"),
        ({"token_sha256": hashlib.sha256(b"t").hexdigest()}, 409, "already"),
        ({}, 422, "changes"),
    ],
)
async def test_an_edit_that_breaks_the_contract_changes_nothing(live, changes, status, says):
    fact = invalidated()
    row = await buried(live, Envelope.of(fact, "test").headers(), fact.model_dump_json().encode())
    answer = await edit(live, row["failure_id"], changes)
    assert answer.status_code == status, answer.text
    assert says in answer.text
    (after,) = await live.rows(KEPT, (row["message_id"],))
    assert (after["given_back_at"], after["edited_at"], after["body"]) == (None, None, row["body"])


@pytest.mark.parametrize("field", ["positions", "memberships"])
async def test_an_edit_moves_no_person_to_another_school(live, field):
    fact = PersonChanged(person_id=uuid4(), version=1)
    row = await buried(live, Envelope.of(fact, "test").headers(), fact.model_dump_json().encode())
    answer = await edit(live, row["failure_id"], {field: []})
    assert (answer.status_code, "another school" in answer.text) == (422, True), answer.text


async def test_personal_fields_of_a_message_are_neither_shown_nor_edited(live):
    fact = PersonChanged(person_id=uuid4(), version=1, given_name="Ada", family_name="Demo", positions={})
    row = await buried(live, Envelope.of(fact, "test").headers(), fact.model_dump_json().encode(), "notifier.log.x")
    answer = await edit(live, row["failure_id"], {"given_name": "Bea"})
    assert answer.status_code == 422
    assert "personal data" in answer.text
    assert "Ada" not in answer.text

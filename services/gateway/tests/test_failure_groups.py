"""Failures are seen as groups, retried as a task in waves that halt when a fault returns, or discarded."""

import asyncio
import datetime as dt
import hashlib
import json
import re
from uuid import uuid4

import pytest
import pytest_asyncio
from uuid_utils.compat import uuid7

from gateway import invariants
from gateway.main import build
from gateway.operations import bulk_retry, failure_groups, failure_retention, retry_acceptance
from gateway.operations.failure_selection import FailureSelection
from gateway.routers import ACCESS
from gateway.settings import Settings
from shared.events import DeviceInvalidated, PersonChanged, TaskCancelRequested
from shared.service.retention import prune
from shared.testing.fixtures import declare, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUEUE = "gateway.device.invalidated"
FAULT = """
CREATE OR REPLACE FUNCTION gateway.fault() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'canary: Ada Demo'; END $$;
CREATE TRIGGER fault BEFORE DELETE ON gateway.device FOR EACH ROW EXECUTE FUNCTION gateway.fault();
"""
DELETE_IN_ORDER = """
DELETE FROM failure WHERE failure_id = ANY (ARRAY (SELECT failure_id FROM failure ORDER BY failure_id FOR UPDATE))
"""
MEND = "DROP TRIGGER IF EXISTS fault ON gateway.device"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operated(backing_with_broker, serve):
    """A gateway at work whose messages become dead letters without retry tiers."""
    environment = {name.lower(): value for name, value in backing_with_broker.environment("gateway").items()}
    await declare(backing_with_broker.amqp_url, build(Settings(**environment, retry_tiers=())).topology())
    async with serve(
        backing_with_broker, at_work=True, retry_tiers=(), rate_caller=10_000, burst_caller=10_000
    ) as running:
        await eventually(running.service.runtime.not_ready, lambda reasons: reasons == [], within=30)
        yield running


@pytest.fixture
def fault(admin):
    """Makes the deletion of a device fail until it is mended."""
    admin.execute(FAULT)
    yield lambda: admin.execute(MEND)
    admin.execute(MEND)


@pytest_asyncio.fixture(loop_scope="module")
async def clean(operated):
    """No failure is left from another test."""
    async with operated.service.transactions.begin() as tx:
        await tx.execute("DELETE FROM failure_retry_selection")
        await tx.execute("DELETE FROM failure_retry")
        await tx.execute(DELETE_IN_ORDER)
        await tx.execute("DELETE FROM device")
    return operated


async def break_some(gateway, number, school=None):
    """Register devices whose end fails; their failures become one group. Returns it and `seen_until`."""
    school = school or await gateway.add_school()
    person = await gateway.add_person(school)
    tokens = [f"canary-{uuid4().hex}" for _ in range(number)]
    async with gateway.service.transactions.begin() as tx:
        for token in tokens:
            query = "INSERT INTO device (token, person_id, platform) VALUES (%s, %s, 'web')"
            await tx.execute(query, (token, person))
            tx.emit(ended(school, person, token))
    seen = await eventually(
        lambda: listed(gateway, school=str(school)), lambda page: page["count"] == number, within=30
    )
    (group,) = seen["items"]
    return group, seen["seen_until"], school


def ended(school, person, token):
    sha = hashlib.sha256(token.encode()).hexdigest()
    when = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    return DeviceInvalidated(school_id=school, person_id=person, token_sha256=sha, attempted_at=when)


async def listed(gateway, role="platform_admin", of=None, **filters):
    answer = await gateway.ask("GET", "/v1/failure-groups", role, of, params=filters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def selection(group, seen_until, **changes):
    wanted = {"queue": group["queue"], "fingerprint": group["fingerprint"], "count": group["count"]}
    return wanted | {"seen_until": seen_until} | changes


async def task_of(gateway, answer):
    """The task of an accepted retry, once it has ended."""
    assert answer.status_code == 202, answer.text

    async def look():
        return (await gateway.ask("GET", answer.headers["location"])).json()

    return await eventually(look, lambda task: task["state"] in {"succeeded", "failed", "cancelled"}, within=60)


def retry(gateway, body, **more):
    return gateway.ask("POST", "/v1/failures/retry", json=body, **more)


def result(**counts):
    return dict.fromkeys(("retried", "skipped", "failed_again", "halted", "cancelled", "sent"), 0) | counts


async def test_a_group_of_failures_is_seen_retried_as_a_task_and_disappears(clean, fault):
    # given
    group, seen_until, school = await break_some(clean, 5)
    assert (group["service"], group["handler"], group["count"]) == ("gateway", "device.invalidated", 5)
    assert group["first_failed"] <= group["last_failed"]
    assert group["sample"]["state"] == "open"
    assert "canary" not in str(group)
    # when the cause is mended
    fault()
    operator = uuid4()
    answer = await retry(clean, selection(group, seen_until), person=operator)
    # then
    task = await task_of(clean, answer)
    assert (task["state"], task["kind"], task["result"]) == ("succeeded", "failures.retry", result(retried=5))
    assert task["progress"] == {"done": 5, "total": 5}
    assert (await listed(clean, school=str(school)))["items"] == []
    assert await clean.one("SELECT count(*) FROM device WHERE token LIKE 'canary-%%'") == 0
    states = await clean.rows("SELECT state, count(*) AS n FROM failure_retry_member GROUP BY state")
    assert [(row["state"], row["n"]) for row in states] == [("retried", 5)]
    # and it is known who did that, to what
    acts = (await clean.ask("GET", "/v1/audit", params={"person": str(operator)})).json()["items"]
    assert [act["action"] for act in acts] == ["POST /v1/failures/retry"]
    assert acts[0]["subject"]["fingerprint"] == group["fingerprint"]
    assert acts[0]["subject"]["count"] == "5"


async def test_a_retry_halts_when_its_fault_returns_and_says_what_came_of_each(clean, fault):
    # given: the cause is still there
    group, seen_until, _ = await break_some(clean, 30)
    # when
    task = await task_of(clean, await retry(clean, selection(group, seen_until)))
    # then: the first wave was one message
    assert (task["state"], task["result"]) == ("failed", result(failed_again=1, halted=29))
    assert "correct its cause first" in task["error"]
    again = await listed(clean, queue=QUEUE)
    assert [(each["fingerprint"], each["count"]) for each in again["items"]] == [(group["fingerprint"], 30)]
    assert sorted(row["deaths"] for row in await clean.rows("SELECT deaths FROM failure"))[-2:] == [1, 2]


async def test_a_retry_sends_more_in_each_wave(clean, fault):
    group, seen_until, _ = await break_some(clean, 20)
    fault()
    task = await task_of(clean, await retry(clean, selection(group, seen_until)))
    assert (task["state"], task["result"]) == ("succeeded", result(retried=20))
    # then: 1, 2, 5 and 10 of them, and the 2 that were left
    assert await clean.one("SELECT wave FROM failure_retry") == 5


async def test_a_retry_of_what_matches_nothing_is_refused(clean):
    body = {"queue": QUEUE, "fingerprint": "unknown", "count": 1, "seen_until": dt.datetime.now(dt.UTC).isoformat()}
    answer = await retry(clean, body)
    assert (answer.status_code, answer.json()["code"], answer.json()["count"]) == (409, "drifted", 0)
    assert await clean.one("SELECT count(*) FROM failure_retry") == 0


OPERATING = ("failure-groups", "failures", "log", "queues", "tasks", "workers", "audit", "administrators", "keys")
"""What operators read; the routes of schools are walked in test_sealed.py."""


async def test_no_route_for_operators_shows_a_name_an_address_or_a_text_of_an_error(clean, fault):
    # given: failures of a fault that names a person, a retry of them, and an event with a name
    group, seen_until, school = await break_some(clean, 2)
    task = await task_of(clean, await retry(clean, selection(group, seen_until)))
    async with clean.service.transactions.begin() as tx:
        tx.emit(PersonChanged(person_id=uuid4(), given_name="canary", version=1, positions={school: 1}))

    async def logged():
        return (await clean.ask("GET", "/v1/log", params={"type": "person.changed"})).json()["items"]

    (event, *_) = await eventually(logged, bool, within=30)
    failed = (await clean.ask("GET", "/v1/failures")).json()["items"]
    ids = {"task_id": task["id"], "failure_id": failed[0]["id"], "event_id": event["id"]}
    paths = [path for method, path in sorted(ACCESS) if method == "GET" and path.split("/")[2] in OPERATING]
    # when
    walked = [path for path in paths if path != "/v1/tasks/events" and set(re.findall(r"{(\w+)}", path)) <= ids.keys()]
    answers = {path: await clean.ask("GET", path.format(**ids)) for path in walked}
    # then
    assert {path: each.status_code for path, each in answers.items()} == dict.fromkeys(walked, 200)
    assert len(walked) > 10
    assert [path for path, each in answers.items() if "canary" in each.text or "Ada Demo" in each.text] == []


async def test_a_selection_that_has_changed_is_refused_and_nothing_is_done(clean, fault):
    group, seen_until, school = await break_some(clean, 3)
    # when a fourth comes
    await asyncio.sleep(0)
    person = await clean.add_person(school)
    query = "INSERT INTO device (token, person_id, platform) VALUES ('late', %s, 'web')"
    async with clean.service.transactions.begin() as tx:
        await tx.execute(query, (person,))
        tx.emit(ended(school, person, "late"))
    await eventually(lambda: listed(clean), lambda page: page["count"] == 4)
    # then what was seen is still three, and more or fewer are refused
    for count, path in ((4, "retry"), (2, "retry"), (4, "discard")):
        body = selection(group, seen_until, count=count) | ({"reason": "known"} if path == "discard" else {})
        answer = await clean.ask("POST", f"/v1/failures/{path}", json=body)
        assert (answer.status_code, answer.json()["code"], answer.json()["count"]) == (409, "drifted", 3)
    assert (await listed(clean))["count"] == 4
    assert await clean.one("SELECT count(*) FROM failure_retry") == 0


@pytest.mark.parametrize("change", [{}, {"everything": True, "queue": QUEUE}])
async def test_an_empty_filter_must_say_that_it_means_everything(clean, change):
    body = {"count": 1, "seen_until": dt.datetime.now(dt.UTC).isoformat()} | change
    answer = await retry(clean, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert "everything" in answer.text


async def test_a_failure_is_in_one_running_retry_at_most(clean, fault):
    # given: a retry whose messages do not come back
    group, seen_until, _ = await break_some(clean, 4)
    body = selection(group, seen_until)
    # when
    answers = await asyncio.gather(*(retry(clean, body) for _ in range(4)))
    # then
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"conflict", "drifted"}
    both = "SELECT (SELECT count(*) FROM failure_retry) + (SELECT count(*) FROM failure_retry_selection) AS count"
    assert await clean.one(both) == 1


async def test_an_accepted_retry_that_has_not_begun_keeps_its_failures_from_others(clean, fault):
    # given: retries are accepted, and no sweep begins them
    group, seen_until, _ = await break_some(clean, 3)
    lock = clean.service.transactions
    async with lock.begin() as tx:
        await tx.execute("LOCK TABLE failure_retry IN EXCLUSIVE MODE")
        answer = await retry(clean, selection(group, seen_until))
        assert answer.status_code == 202, answer.text
        # when
        second = await retry(clean, {"everything": True, "seen_until": seen_until, "count": 3})
        # then
        assert (second.status_code, second.json()["code"]) == (409, "conflict")
        assert "has 3 of these" in second.json()["detail"]
    assert (await task_of(clean, answer))["result"] == result(failed_again=1, halted=2)


async def test_a_retry_that_is_cancelled_before_it_begins_leaves_its_failures_open(clean, fault):
    group, seen_until, _ = await break_some(clean, 3)
    task, now = uuid7(), dt.datetime.now(dt.UTC)
    wanted = FailureSelection.model_validate_json(json.dumps(selection(group, seen_until)))
    # when both are in one commit
    async with clean.service.transactions.begin() as tx:
        await retry_acceptance.accept(tx, task, wanted, None)
        asked = {"school_id": None, "kind": retry_acceptance.KIND, "epoch": 1, "requested_by": None}
        await bulk_retry.cancel(TaskCancelRequested(task_id=task, requested_at=now, **asked), tx)
    # then

    async def look():
        return (await clean.ask("GET", f"/v1/tasks/{task}")).json()

    ended = await eventually(look, lambda each: each["state"] == "cancelled")
    assert ended["result"] == result(cancelled=3)
    assert (await listed(clean))["count"] == 3


async def test_failures_that_are_closed_before_their_retry_begins_are_skipped(clean, fault):
    group, seen_until, _ = await break_some(clean, 4)
    fault()
    async with clean.service.transactions.begin() as tx:
        await tx.execute("LOCK TABLE failure_retry IN EXCLUSIVE MODE")
        answer = await retry(clean, selection(group, seen_until))
        one = {"failure": group["sample"]["id"], "seen_until": seen_until, "count": 1, "reason": "known"}
        assert (await clean.ask("POST", "/v1/failures/discard", json=one)).status_code == 200
    task = await task_of(clean, answer)
    assert (task["state"], task["result"]) == ("succeeded", result(retried=3, skipped=1))
    assert task["progress"] == {"done": 4, "total": 4}


async def test_counts_stay_those_of_the_open_failures_through_all_that_changes_them(clean, fault):
    # given: failures of two schools, some of them closed, one died again
    await break_some(clean, 3)
    group, seen_until, school = await break_some(clean, 3)
    one = {"failure": group["sample"]["id"], "seen_until": seen_until, "count": 1, "reason": "known"}
    assert (await clean.ask("POST", "/v1/failures/discard", json=one)).status_code == 200
    await task_of(clean, await retry(clean, selection(group, seen_until, count=2, school=str(school))))
    # when sums are made by two instances at once, while a failure is deleted
    rows = clean.service.transactions
    await asyncio.gather(*(failure_groups.add_up_counts(rows) for _ in range(2)))
    # then
    assert (await listed(clean))["count"] == 5
    assert (await listed(clean, "school_admin", school))["count"] == 2
    assert await clean.one(invariants.FIND_WRONG_COUNTS) == 0
    counted = "SELECT count(*) FROM (SELECT FROM failure_count GROUP BY school_id, fingerprint, type) g"
    assert await clean.one("SELECT count(*) FROM failure_count") == await clean.one(counted)
    # and a wrong one is noticed
    async with rows.begin() as tx:
        await tx.execute("INSERT INTO failure_count (queue, fingerprint, change) VALUES ('a', 'wrong one', 1)")
    assert await clean.one(invariants.FIND_WRONG_COUNTS) == 1
    async with rows.begin() as tx:
        await tx.execute("DELETE FROM failure_count WHERE queue = 'a'")


async def test_a_discard_beside_a_retry_of_the_same_failures_does_not_deadlock(clean, fault, admin):
    # given: two faults, whose rows lie in the table in another order than their numbers
    await break_some(clean, 2)
    fault()
    first, second = [row["failure_id"] for row in await clean.rows("SELECT failure_id FROM failure ORDER BY 1")]
    async with clean.service.transactions.begin() as tx:
        await tx.execute("UPDATE failure SET fingerprint = '!' WHERE failure_id = %s", (second,))
        await tx.execute("UPDATE failure SET deaths = deaths WHERE failure_id = %s", (first,))
    everything = {"everything": True, "count": 2, "seen_until": (await listed(clean))["seen_until"]}
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')"
    admin.execute("BEGIN")
    admin.execute("SELECT FROM gateway.failure WHERE failure_id = %s FOR UPDATE", (first,))
    # when a retry waits for the first row, and a discard comes to both
    accepted = await retry(clean, everything)
    await eventually(lambda: clean.one(waiting), lambda count: count >= 1)
    discard = clean.ask("POST", "/v1/failures/discard", json=everything | {"reason": "known"})
    discarding = asyncio.create_task(discard)
    await eventually(lambda: clean.one(waiting), lambda count: count >= 2)
    admin.execute("COMMIT")
    # then one of them goes first: the discard finds that what was seen has changed, or the retry that nothing is open
    answer = await discarding
    retried = (await task_of(clean, accepted))["result"]
    found = answer.status_code, answer.json().get("code"), retried
    assert found in ((409, "drifted", result(retried=2)), (200, None, result(skipped=2))), answer.text


async def test_discarded_failures_leave_the_groups_and_keep_the_reason(clean, fault):
    group, seen_until, _ = await break_some(clean, 2)
    operator = uuid4()
    # when
    body = selection(group, seen_until) | {"reason": "the devices are gone"}
    answer = await clean.ask("POST", "/v1/failures/discard", person=operator, json=body)
    # then
    assert (answer.status_code, answer.json()) == (200, {"discarded": 2})
    assert (await listed(clean))["items"] == []
    items = (await clean.ask("GET", "/v1/failures", params={"state": "discarded"})).json()["items"]
    assert {(each["discard_reason"], each["discarded_by"]) for each in items} == {
        ("the devices are gone", str(operator))
    }
    # and it cannot be retried by mistake
    late = await clean.ask("POST", f"/v1/failures/{items[0]['id']}/retry")
    assert (late.status_code, late.json()["state"]) == (409, "discarded")


async def test_a_school_role_sees_the_failures_of_its_own_school_only(clean, fault):
    group, _, school = await break_some(clean, 2)
    other = await clean.add_school()
    # when, then
    assert (await listed(clean, "school_admin", school))["count"] == 2
    assert (await listed(clean, "school_admin", other))["items"] == []
    path = f"/v1/failures/{group['sample']['id']}"
    assert (await clean.ask("GET", path, "school_admin", school)).status_code == 200
    assert (await clean.ask("GET", path, "school_admin", other)).status_code == 404
    assert (await clean.ask("POST", f"{path}/retry", "school_admin", school)).status_code == 403
    assert (await clean.ask("GET", "/v1/failure-groups", "teacher", school)).status_code == 403


async def test_a_cancelled_retry_sends_no_more_and_leaves_the_rest_open(clean, fault, admin):
    # given: the first message of a retry waits, because its row is locked
    group, seen_until, _ = await break_some(clean, 6)
    fault()
    admin.execute("BEGIN")
    admin.execute("LOCK TABLE gateway.device IN ACCESS EXCLUSIVE MODE")
    answer = await retry(clean, selection(group, seen_until))
    members = "SELECT count(*) FROM failure_retry_member WHERE state = 'sent'"
    await eventually(lambda: clean.one(members), lambda sent: sent == 1)
    # when
    cancelled = await clean.ask("POST", f"{answer.headers['location']}/cancel")
    assert cancelled.status_code == 202
    task = await task_of(clean, answer)
    admin.execute("COMMIT")
    # then
    assert (task["state"], task["result"]) == ("cancelled", result(sent=1, cancelled=5))
    await eventually(lambda: listed(clean), lambda page: page["count"] == 5)


async def test_the_same_key_begins_one_retry(clean, fault):
    group, seen_until, _ = await break_some(clean, 2)
    fault()
    headers = {"Idempotency-Key": uuid4().hex}
    first = await retry(clean, selection(group, seen_until), headers=headers)
    await task_of(clean, first)
    again = await retry(clean, selection(group, seen_until), headers=headers)
    assert again.json() == first.json()


async def test_closed_failures_are_deleted_after_their_time_in_small_batches_and_open_ones_never(clean, fault):
    # given: two groups, one of them discarded long ago
    group, seen_until, _ = await break_some(clean, 5)
    body = selection(group, seen_until) | {"reason": "a test"}
    assert (await clean.ask("POST", "/v1/failures/discard", json=body)).status_code == 200
    await break_some(clean, 2)
    rows = clean.service.transactions
    policies = failure_retention.of_failures(30)
    await prune(rows, policies)
    assert await clean.one("SELECT count(*) FROM failure") == 7
    async with rows.begin() as tx:
        await tx.execute("UPDATE failure SET discarded_at = discarded_at - interval '31 days'")
        await tx.execute("UPDATE failure SET first_failed = first_failed - interval '1 year'")
    # when two instances prune at once
    await asyncio.gather(*(prune(rows, policies, pages=1) for _ in range(2)))
    # then
    assert await clean.one("SELECT count(*) FROM failure") == 2
    assert (await listed(clean))["count"] == 2

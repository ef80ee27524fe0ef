"""An operator pauses and resumes a queue, and drains a worker; messages wait and nothing is lost."""

import datetime as dt
import hashlib
from uuid import uuid4

import pytest
import pytest_asyncio

from gateway.main import build
from gateway.settings import Settings
from shared.events import DeviceInvalidated
from shared.service.consumer_orders import DRAINS, DRAINS_DAYS
from shared.service.retention import Policy, prune
from shared.testing.fixtures import declare, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUEUE = "gateway.device.invalidated"
WHY = {"reason": "the provider is being moved"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broker(backing_with_broker):
    """A broker with the queues of the gateway."""
    environment = {name.lower(): value for name, value in backing_with_broker.environment("gateway").items()}
    await declare(backing_with_broker.amqp_url, build(Settings(**environment)).topology())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operated(broker, backing_with_broker, serve):
    """A gateway at work."""
    async with serve(backing_with_broker, at_work=True) as running:
        yield running


async def queue_of(gateway, name=QUEUE):
    answer = await gateway.ask("GET", "/v1/queues")
    assert answer.status_code == 200, answer.text
    return next((each for each in answer.json()["items"] if each["name"] == name), None)


async def end_of_device(gateway, token):
    """Register a device and publish its end."""
    person = await gateway.add_person(await gateway.add_school())
    sha, when = hashlib.sha256(token.encode()).hexdigest(), dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    async with gateway.service.transactions.begin() as tx:
        query = "INSERT INTO device (token, person_id, platform) VALUES (%s, %s, 'web')"
        await tx.execute(query, (token, person))
        tx.emit(DeviceInvalidated(school_id=uuid4(), person_id=person, token_sha256=sha, attempted_at=when))


def devices(gateway, token):
    return gateway.one("SELECT count(*) FROM device WHERE token = %s", (token,))


async def test_a_paused_queue_keeps_its_messages_through_a_restart_until_it_is_resumed(
    broker, backing_with_broker, serve
):
    token = uuid4().hex
    async with serve(backing_with_broker, at_work=True, heartbeat=0.3) as gateway:
        await eventually(lambda: queue_of(gateway), lambda queue: queue and queue["consumers"], within=30)
        # when
        operator = uuid4()
        answer = await gateway.ask("POST", f"/v1/queues/{QUEUE}/pause", person=operator, json=WHY)
        assert (answer.status_code, answer.json()["order"]) == (202, "pause"), answer.text
        paused = await eventually(
            lambda: queue_of(gateway), lambda queue: queue["paused"] and queue["consumers"] == 0, within=60
        )
        # then it says why, the service stays ready, and messages wait
        assert paused["ordered"]["reason"] == WHY["reason"]
        assert await gateway.service.runtime.not_ready() == []
        assert gateway.service.metrics.registry.get_sample_value("schoolconnect_queue_paused", {"queue": QUEUE}) == 1
        acts = (await gateway.ask("GET", "/v1/audit", params={"person": str(operator)})).json()["items"]
        assert [(act["action"], act["subject"]) for act in acts] == [
            ("POST /v1/queues/{name}/pause", {"name": QUEUE} | WHY)
        ]
        await end_of_device(gateway, token)
        await eventually(lambda: queue_of(gateway), lambda queue: queue["ready"] == 1, within=60)
    # and after a restart
    async with serve(backing_with_broker, at_work=True, heartbeat=0.3) as gateway:
        await eventually(lambda: queue_of(gateway), lambda queue: queue["paused"] and queue["ready"] == 1, within=30)
        assert await devices(gateway, token) == 1
        # when it is resumed
        assert (await gateway.ask("POST", f"/v1/queues/{QUEUE}/resume", json=WHY)).status_code == 202
        # then
        await eventually(lambda: devices(gateway, token), lambda left: left == 0, within=60)
        resumed = await eventually(lambda: queue_of(gateway), lambda queue: queue["consumers"], within=60)
        assert (resumed["paused"], resumed["ready"]) == (False, 0)


async def test_a_drained_worker_consumes_no_more_and_says_so(broker, backing_with_broker, serve):
    async with serve(backing_with_broker, at_work=True, heartbeat=1.0) as gateway:
        worker = gateway.service.runtime.worker

        async def said():
            items = (await gateway.ask("GET", "/v1/workers")).json()["items"]
            return next((each for each in items if each["worker"] == worker), None)

        await eventually(said, lambda found: found and found["facts"].get("draining") is False, within=30)
        # when
        answer = await gateway.ask("POST", f"/v1/workers/{worker}/drain", json={"reason": "its host is replaced"})
        assert answer.status_code == 202, answer.text
        # then
        await eventually(said, lambda found: found["facts"].get("draining"))
        await eventually(lambda: queue_of(gateway), lambda queue: queue["consumers"] == 0)
        # and orders still arrive
        ordered = "gateway.consumers.ordered"
        orders = await eventually(lambda: queue_of(gateway, ordered), lambda found: found["consumers"], within=60)
        assert orders["paused"] is False
        # and so it stays when the order is old and pruned
        async with gateway.service.transactions.begin() as tx:
            old = "UPDATE consumer_order SET ordered_at = now() - interval '8 days' WHERE target = %s"
            await tx.execute(old, (worker,))
        await prune(gateway.service.transactions, (Policy("consumer_order", DRAINS, DRAINS_DAYS),))
        assert await gateway.one("SELECT count(*) FROM consumer_order WHERE target = %s", (worker,)) == 0
        await gateway.service.runtime.orders.look()
        assert gateway.service.runtime.orders.draining


async def test_a_later_process_of_the_same_name_is_not_drained(backing_with_broker, serve):
    # given: an order that was meant for the process before, as a container that starts again has the same name
    async with serve(backing_with_broker) as gateway:
        orders, worker = gateway.service.runtime.orders, gateway.service.runtime.worker
        order = """INSERT INTO consumer_order (target, "order", reason, ordered_at)
                   VALUES (%s, 'drain', 'made up', now() - interval '1 hour')
                   ON CONFLICT (target) DO UPDATE SET ordered_at = excluded.ordered_at"""
        async with gateway.service.transactions.begin() as tx:
            await tx.execute(order, (worker,))
        # when
        await orders.look()
        # then
        assert not orders.draining


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/queues/gateway.nothing/pause", WHY, 404, "not_found"),
        ("/v1/workers/unknown@nowhere:1/drain", WHY, 404, "not_found"),
        (f"/v1/queues/{QUEUE}/pause", {}, 422, "invalid"),
        (f"/v1/queues/{QUEUE}/pause", {"reason": " "}, 422, "invalid"),
    ],
)
async def test_an_order_that_cannot_be_is_refused(operated, path, body, status, code):
    answer = await operated.ask("POST", path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_only_administrators_of_the_group_see_queues_and_order(operated):
    school = await operated.add_school()
    for method, path in (("GET", "/v1/queues"), ("POST", f"/v1/queues/{QUEUE}/pause")):
        answer = await operated.ask(method, path, "school_admin", school, json=WHY)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")

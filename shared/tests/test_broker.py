"""The broker blocks, falls silent, lacks a queue: nothing is lost, what can goes on, the rest waits and says so."""

import asyncio
import dataclasses
from typing import ClassVar

import aio_pika
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from shared.errors import Refused
from shared.events import Envelope
from shared.events.directory import SchoolChanged
from shared.messaging import topology_admin
from shared.messaging.topology import Queue
from shared.messaging.topology_admin import judge
from shared.testing.fault_proxy import proxied
from shared.testing.fixtures import declare, eventually, running
from shared.transactions.outbox import WorkPermit

QUEUE = "notifier.school.changed"
POISON = "poison"


class Permit(WorkPermit):
    name: ClassVar[str] = "notifier.test"
    number: int

    @property
    def subject(self):
        return str(self.number)


@pytest_asyncio.fixture
async def through_proxy(spine):
    """The spine, its broker behind a proxy; the direct URL; the proxy."""
    direct = spine.backing.amqp_url
    async with proxied(direct) as (url, proxy):
        spine.backing = dataclasses.replace(spine.backing, amqp_url=url)
        yield spine, direct, proxy
        proxy.block(on=False)


async def send(channel, fact):
    message = aio_pika.Message(fact.model_dump_json().encode(), headers=Envelope.of(fact, "test").headers())
    await (await channel.get_exchange("school.events")).publish(message, fact.topic)


async def test_rule_14_an_alarm_of_the_broker_holds_only_the_relay(through_proxy):
    # given
    spine, direct, proxy = through_proxy
    seen = []

    async def remember(event, tx):
        if event.name == POISON:
            raise ValueError(POISON)
        seen.append(event.school_id)

    async with (
        spine.running(lambda s: s.on(SchoolChanged, remember), publish_timeout=2.0) as service,
        await aio_pika.connect(direct) as connection,
    ):
        channel = await connection.channel()
        # when
        proxy.block(on=True)
        mine = [spine.school() for _ in range(20)]
        await spine.emit(service, *mine)
        # then it says so, and holds what it has to publish
        await eventually(service.runtime.not_ready, lambda reasons: any("alarm" in reason for reason in reasons))
        assert service.metrics.blocked._value.get() == 1
        count = "SELECT count(*) FROM outbox"
        assert await spine.count(service, count) == len(mine)
        # and consumers go on, with a message beside them that would have to be passed on
        await send(channel, spine.school().model_copy(update={"name": POISON}))
        others = [spine.school() for _ in range(100)]
        for fact in others:
            await send(channel, fact)
        wanted = {fact.school_id for fact in others}
        await eventually(lambda: asyncio.sleep(0, set(seen)), lambda found: wanted <= found)
        assert service.metrics.handled.labels(QUEUE, "dead")._value.get() == 0
        # when it is over
        proxy.block(on=False)
        await eventually(service.runtime.not_ready, lambda reasons: reasons == [])
        await spine.outbox_drained(service)
        wanted |= {fact.school_id for fact in mine}
        await eventually(lambda: asyncio.sleep(0, set(seen)), lambda found: wanted <= found)
        assert service.metrics.blocked._value.get() == 0
        retried = service.metrics.handled.labels(QUEUE, "retried")
        await eventually(lambda: asyncio.sleep(0, retried._value.get()), lambda n: n >= 1)


async def test_promise_15_a_silent_broker_loses_nothing_and_service_resumes_by_itself(through_proxy):
    # given
    spine, _, proxy = through_proxy
    seen = []

    async def remember(event, tx):
        seen.append(event.school_id)

    async with spine.running(lambda s: s.on(SchoolChanged, remember), publish_timeout=1.0) as service:
        # when: bytes are taken and nothing comes back
        proxy.black_hole(on=True)
        mine = [spine.school() for _ in range(20)]
        await spine.emit(service, *mine)
        unconfirmed = service.metrics.publish_failed.labels("unconfirmed")
        await eventually(lambda: asyncio.sleep(0, unconfirmed._value.get()), lambda n: n >= 1)
        # and then every connection dies
        proxy.black_hole(on=False)
        proxy.cut()
        # then
        wanted = {fact.school_id for fact in mine}
        await eventually(lambda: asyncio.sleep(0, set(seen)), lambda found: wanted <= found, within=30)
        await spine.outbox_drained(service)
        assert sorted(found for found in seen if found in wanted) == sorted(wanted)


async def test_rule_06_forty_permits_for_a_queue_that_is_missing_wait_for_it(spine):
    # given
    done = []

    async def perform(permit, cause, transactions):
        done.append(permit.number)

    service = spine.build()
    service.work(Permit, perform, ["missing"])
    await declare(spine.backing.amqp_url, service.topology())
    async with running(service):
        async with await aio_pika.connect(spine.backing.amqp_url) as connection:
            await (await connection.channel()).queue_delete("notifier.work.missing")
        # when
        async with service.transactions.begin() as tx:
            for number in range(40):
                tx.permit(Permit(number=number), "missing")
        unroutable = service.metrics.publish_failed.labels("unroutable")
        await eventually(lambda: asyncio.sleep(0, unroutable._value.get()), lambda n: n >= 40)
        assert await spine.count(service, "SELECT count(*) FROM outbox") == 40
        assert done == []
        # then
    again = spine.build()
    again.work(Permit, perform, ["missing"])
    await declare(spine.backing.amqp_url, again.topology())
    async with running(again):
        await eventually(lambda: asyncio.sleep(0, sorted(set(done))), lambda found: found == list(range(40)), within=30)
        await spine.outbox_drained(again)
    assert len(done) == 40


async def test_a_queue_from_before_the_brokers_upgrade_is_accepted_and_a_different_one_is_refused(spine):
    # given
    async with await aio_pika.connect(spine.backing.amqp_url) as connection:
        channel = await connection.channel()
        quorum = {"x-queue-type": "quorum"}
        await channel.declare_queue("before", durable=True, arguments=quorum)
        # when
        with capture_logs() as facts:
            await topology_admin._declare(connection, Queue("before", quorum), "4.0.5")
        # then
        assert [(fact["event"], fact["queue"]) for fact in facts] == [("queue.has_delivery_limit", "before")]
        with pytest.raises(Refused, match=r"before exists with other arguments .* delete it"):
            await topology_admin._declare(connection, Queue("before", quorum | {"x-message-ttl": 1000}), "4.0.5")
        await channel.queue_delete("before")


CAPABLE = dict.fromkeys(("publisher_confirms", "basic.nack", "consumer_cancel_notify", "connection.blocked"), True)


@pytest.mark.parametrize("version", ["3.10.8", b"3.13.7", "4.1.2"])
def test_a_broker_with_all_features_is_accepted(version):
    assert judge({"version": version, "capabilities": CAPABLE}) in ("3.10.8", "3.13.7", "4.1.2")


@pytest.mark.parametrize(
    ("offered", "says"),
    [
        ({"version": "3.9.29", "capabilities": CAPABLE}, "3.10 or newer"),
        ({}, "unknown version"),
        ({"version": "4.0.1", "capabilities": CAPABLE | {"connection.blocked": False}}, "connection.blocked"),
    ],
)
def test_a_broker_that_lacks_something_is_refused_by_name(offered, says):
    with pytest.raises(Refused, match=says):
        judge(offered)

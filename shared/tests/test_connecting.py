"""What a service makes sure of before it takes anything on, and what it does when that is taken from it."""

import asyncio
import contextlib
from typing import ClassVar
from urllib.parse import urlsplit

import aio_pika
import pytest
from aiormq.connection import FrameReceiver

from shared.errors import InfrastructureDown, Undeliverable
from shared.events import Envelope, SchoolChanged
from shared.messaging import connection
from shared.messaging.confirming_channel import Outbound
from shared.messaging.connection import CONNECTION_PROBLEMS, library_errors
from shared.messaging.publisher import Publisher
from shared.messaging.topology import EVENTS, LOGS, stream_of
from shared.projections.projection_runner import ProjectionRunner
from shared.projections.projector import Projector, park_in_queue
from shared.testing.fault_proxy import proxied
from shared.testing.fixtures import Recorder, declare, eventually, running
from shared.transactions.outbox import WorkPermit

QUEUE = "notifier.school.changed"
LANE = "notifier.work.errands"


class Errand(WorkPermit):
    name: ClassVar[str] = "notifier.errand"
    number: int

    @property
    def subject(self):
        return str(self.number)


@contextlib.asynccontextmanager
async def connected(url):
    async with await aio_pika.connect(url) as connection:
        yield await connection.channel()


async def send(channel, *facts):
    exchange = await channel.get_exchange(EVENTS)
    for fact in facts:
        headers = Envelope.of(fact, "test").headers()
        await exchange.publish(aio_pika.Message(fact.model_dump_json().encode(), headers=headers), fact.topic)


async def test_a_publisher_is_ready_only_when_every_stream_has_answered_and_asks_again_after_each_connect(spine):
    # given: a stream that is not there
    late = "school.log.late"
    async with proxied(spine.backing.amqp_url) as (url, proxy), connected(spine.backing.amqp_url) as channel:
        await declare(spine.backing.amqp_url, spine.build().topology())
        publisher = Publisher(url, "test", (*LOGS, late))
        running_on = asyncio.create_task(publisher.run())
        try:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(publisher.ready.wait(), 1.0)
            # when
            await channel.declare_queue(late, durable=True, arguments={"x-queue-type": "stream"})
            # then
            await asyncio.wait_for(publisher.ready.wait(), 10)
            # and after a loss of the connection it is asked again
            await channel.queue_delete(late)
            proxy.cut()
            await eventually(lambda: asyncio.sleep(0, publisher.connection), lambda found: found is None)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(publisher.ready.wait(), 1.5)
            await channel.declare_queue(late, durable=True, arguments={"x-queue-type": "stream"})
            await asyncio.wait_for(publisher.ready.wait(), 10)
        finally:
            running_on.cancel()
            await asyncio.gather(running_on, return_exceptions=True)
            await channel.queue_delete(late)


async def test_a_publisher_that_waits_for_a_confirm_fails_at_once_when_the_channel_is_gone(spine):
    # given
    async with proxied(spine.backing.amqp_url) as (url, proxy):
        publisher = Publisher(url, "test", (), timeout=60)
        running_on = asyncio.create_task(publisher.run())
        try:
            await asyncio.wait_for(publisher.ready.wait(), 10)
            proxy.black_hole(on=True)
            waiting = asyncio.create_task(publisher.publish_all([Outbound("", "no.queue", b"{}", {})] * 3))
            await eventually(lambda: asyncio.sleep(0, publisher.unconfirmed), lambda found: found == 3)
            # when
            proxy.cut()
            # then
            failures = await asyncio.wait_for(waiting, 5)
            assert [type(failure) for failure in failures] == [InfrastructureDown] * 3
        finally:
            running_on.cancel()
            await asyncio.gather(running_on, return_exceptions=True)


async def test_outcomes_are_in_the_order_of_the_messages_and_a_returned_event_ends_its_channel(spine):
    """A stream does not count what is returned; on the same channel its events would be numbered too high."""
    # given
    await declare(spine.backing.amqp_url, spine.build().topology())
    publisher = Publisher(spine.backing.amqp_url, "test", LOGS)
    running_on = asyncio.create_task(publisher.run())
    try:
        await asyncio.wait_for(publisher.ready.wait(), 30)
        before = publisher.connection
        # when
        sent = [(EVENTS, "school.changed"), ("", "no.queue"), (EVENTS, "task.is.unbound"), (EVENTS, "task.changed")]
        outcomes = await publisher.publish_all([Outbound(exchange, key, b"{}", {}) for exchange, key in sent])
        # then
        assert [str(outcome) for outcome in outcomes] == ["None", "unroutable", "unroutable", "None"]
        await eventually(
            lambda: asyncio.sleep(0, publisher.connection), lambda found: found not in (None, before), within=30
        )
    finally:
        running_on.cancel()
        await asyncio.gather(running_on, return_exceptions=True)


class Refusing:
    """A channel that refuses all messages."""

    async def publish(self, messages, patience):
        return [Undeliverable("refused") for _ in messages]


async def test_a_connection_lost_before_a_batch_is_written_ends_no_service():
    """Seen when a node was killed under load: a heartbeat looked for its channel when it was gone."""
    # given
    publisher = Publisher("amqp://nowhere.example.org", "test", ())
    publisher.ready.set()
    publisher._channels = {"": Refusing()}
    publishing = asyncio.create_task(publisher.publish_all([Outbound("", "no.queue", b"{}", {})]))
    # when: its task has begun, and those for the channels have not
    await asyncio.sleep(0)
    publisher._channels = {}
    # then
    assert [str(outcome) for outcome in await publishing] == ["refused"]
    # and channels that are refused are given up
    assert publisher._lost.is_set()


@pytest.mark.parametrize("frames", [0, 1, 2])
async def test_promise_15_a_broker_that_dies_while_it_greets_ends_no_service(spine, frames):
    # given: a broker that is cut after so many of its first frames
    parts = urlsplit(spine.backing.amqp_url)
    greeted = []

    async def greet(reader, writer):
        far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port)
        for _ in range(frames):
            far_writer.write(await reader.read(65_536))
            writer.write(await far_reader.read(65_536))
            await writer.drain()
        greeted.append(frames)
        writer.close()
        far_writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    user = parts.netloc.rpartition("@")[0]
    publisher = Publisher(parts._replace(netloc=f"{user}@127.0.0.1:{port}").geturl(), "test", ())
    trying = asyncio.create_task(publisher.run())
    async with server:
        # when
        await eventually(lambda: asyncio.sleep(0, len(greeted)), lambda times: times >= 3)
        # then: it tries again, and again
        assert not trying.done()
        trying.cancel()
        await asyncio.gather(trying, return_exceptions=True)


async def test_promise_15_a_broker_that_is_gone_before_it_greets_is_trouble_of_the_connection():
    """Seen when a broker was killed under load: the part that connected ended, and its process with it."""
    reader = asyncio.StreamReader()
    reader.feed_eof()
    with pytest.raises(CONNECTION_PROBLEMS), library_errors():
        await FrameReceiver(reader).get_frame()


async def test_promise_15_a_lost_connection_that_is_asked_for_a_channel_is_trouble_of_the_connection(spine):
    async with proxied(spine.backing.amqp_url) as (url, proxy):

        async def ask_when_it_is_lost():
            async with connection.connected(url, "test") as found:
                proxy.cut()
                await eventually(lambda: asyncio.sleep(0, found.connected.is_set()), lambda there: not there)
                await found.channel()

        with pytest.raises(CONNECTION_PROBLEMS):
            await ask_when_it_is_lost()


async def test_an_error_of_ours_is_none_of_the_connections(spine):
    async def err():
        async with connection.connected(spine.backing.amqp_url, "test"):
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await err()


async def test_a_bug_ends_the_part_that_has_it(spine):
    """A projection with a bug was reported as interrupted, twice a second, and never ended."""

    class Broken(Projector):
        def wants(self, reads):
            raise RuntimeError("a bug")

    async with spine.running(lambda _: None) as service:
        parts, aside = service.components, "nowhere"
        shared = {"transactions": parts.transactions, "vault": parts.vault, "metrics": parts.metrics}
        projector = Broken("broken", (SchoolChanged,), None, **shared, park=park_in_queue(aside, parts.publisher))
        runner = ProjectionRunner(spine.backing.amqp_url, stream_of(SchoolChanged.topic), parts.transactions, projector)
        # when
        await spine.emit(service, spine.school())
        # then
        with pytest.raises(RuntimeError, match="a bug"):
            await asyncio.wait_for(runner.run(), 20)


async def test_a_binding_that_was_lost_is_made_again_before_the_service_is_ready(spine):
    # given
    schools = Recorder()
    service = spine.build()
    service.on(SchoolChanged, schools.one)
    await declare(spine.backing.amqp_url, service.topology())
    async with connected(spine.backing.amqp_url) as channel:
        await (await channel.get_queue(QUEUE)).unbind(EVENTS, SchoolChanged.topic)
        # when
        async with running(service):
            fact = spine.school()
            await send(channel, fact)
            # then
            await schools.until(lambda seen: fact.school_id in [each.school_id for each in seen])


async def test_a_service_that_starts_under_an_alarm_takes_what_lies_in_its_queues(spine):
    # given: something to take and something to publish, and a broker that takes nothing
    schools = Recorder()
    async with proxied(spine.backing.amqp_url) as (url, proxy), connected(spine.backing.amqp_url) as channel:
        service = spine.build(amqp_url=url)
        service.on(SchoolChanged, schools.one)
        await declare(spine.backing.amqp_url, service.topology())
        await service.database.open()
        await spine.emit(service, *(spine.school() for _ in range(5)))
        await service.database.close()
        facts = [spine.school() for _ in range(50)]
        await send(channel, *facts)
        proxy.block(on=True)
        # when
        again = spine.build(amqp_url=url)
        again.on(SchoolChanged, schools.one)
        async with again.runtime.running():
            # then
            wanted = {fact.school_id for fact in facts}
            await schools.until(lambda seen: wanted <= {each.school_id for each in seen})
            await eventually(again.runtime.not_ready, lambda reasons: any("alarm" in reason for reason in reasons))
            proxy.block(on=False)
            await eventually(again.runtime.not_ready, lambda reasons: reasons == [])
            await spine.outbox_drained(again)


async def test_rule_06_a_queue_that_was_deleted_and_declared_again_is_consumed_by_running_services(spine):
    # given
    done = []

    async def perform(permit, cause, transactions):
        done.append(permit.number)

    async with spine.running(lambda s: s.work(Errand, perform, ["errands"])) as service:
        async with connected(spine.backing.amqp_url) as channel:
            await channel.queue_delete(LANE)
        async with service.transactions.begin() as tx:
            for number in range(40):
                tx.permit(Errand(number=number), "errands")
        unroutable = service.metrics.publish_failed.labels("unroutable")
        await eventually(lambda: asyncio.sleep(0, unroutable._value.get()), lambda n: n >= 40)
        # when
        await declare(spine.backing.amqp_url, service.topology())
        # then
        await eventually(lambda: asyncio.sleep(0, sorted(set(done))), lambda found: found == list(range(40)), within=40)
        await spine.outbox_drained(service)
    assert len(done) == 40

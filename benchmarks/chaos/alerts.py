"""Each trouble provoked on a running system under Prometheus: exactly its alert reaches people, within its time.

The rules, their waits and the inhibitions are the delivered ones; the smoke shortens the waits and provokes two.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import LiteralString

import aio_pika
import psycopg

from benchmarks import notifier_load, watchers
from benchmarks.harness import Lab, Report
from cli.operations.service_names import NAMES
from cli.testing.system import System
from shared.messaging.topology import EVENTS
from shared.testing.fixtures import eventually

EVERY = "5s"
SMOKE = "1s"
PEOPLE = 20
QUIET_SECONDS = 180
"""Time until every alert has ended after its trouble: counters are looked at over minutes."""

# Insert an outbox row that no queue takes.
INSERT_UNROUTABLE_ROW = """
INSERT INTO scheduler.outbox (exchange, routing_key, headers, data)
VALUES (%s, 'nothing.there', '{"ce-type": "made.up", "ce-dataschema": "urn:schoolconnect:made.up:1"}', '{}')
"""
DELETE_UNROUTABLE_ROW = "DELETE FROM scheduler.outbox WHERE routing_key = 'nothing.there'"
BREAK = "UPDATE notifier.log_offset SET gap = 'made up'"
MEND = "UPDATE notifier.log_offset SET gap = NULL"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is provoked, the alert that belongs to it, and the seconds until it must reach people."""

    name: str
    alert: str
    within: float
    provoke: Callable[[Lab, System], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def _broker_killed(lab: Lab, _: System) -> AsyncIterator[None]:
    lab.fleet.kill("rabbitmq")
    try:
        yield
    finally:
        await lab.fleet.again("rabbitmq")


@asynccontextmanager
async def _broker_stalled(lab: Lab, _: System) -> AsyncIterator[None]:
    os.kill(lab.fleet.pid("rabbitmq"), signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(lab.fleet.pid("rabbitmq"), signal.SIGCONT)


@asynccontextmanager
async def _database_killed(lab: Lab, _: System) -> AsyncIterator[None]:
    lab.fleet.kill("postgres")
    try:
        yield
    finally:
        await lab.fleet.again("postgres")


@asynccontextmanager
async def _queue_without_consumer(_: Lab, system: System) -> AsyncIterator[None]:
    async with await aio_pika.connect(system.backing.amqp_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("gateway.left.behind", durable=True)
        try:
            yield
        finally:
            await queue.delete()


@asynccontextmanager
async def _outbox_stalled(_: Lab, system: System) -> AsyncIterator[None]:
    await _run(system, INSERT_UNROUTABLE_ROW, EVENTS)
    try:
        yield
    finally:
        await _run(system, DELETE_UNROUTABLE_ROW)


@asynccontextmanager
async def _invariant_broken(_: Lab, system: System) -> AsyncIterator[None]:
    await _run(system, BREAK)
    try:
        yield
    finally:
        await _run(system, MEND)


@asynccontextmanager
async def _fcm_refuses_us(_: Lab, system: System) -> AsyncIterator[None]:
    system.faults("fcm", refuse_grants=True, revoke_tokens=True)
    try:
        await _notify(system, "push")
        yield
    finally:
        system.faults("fcm", reset=True)


@asynccontextmanager
async def _mail_refuses_us(_: Lab, system: System) -> AsyncIterator[None]:
    system.faults("smtp", refuse_clients=True)
    try:
        await _notify(system, "mail")
        yield
    finally:
        system.faults("smtp", reset=True)


async def _notify(system: System, channel: str) -> None:
    """Send to a few people, because a provider's answer is only known of calls."""
    school = await asyncio.to_thread(notifier_load.add_school, system, PEOPLE)
    await notifier_load.send(system, school, (channel,))


async def _run(system: System, statement: LiteralString, *values: str) -> None:
    async with await psycopg.AsyncConnection.connect(system.backing.admin_url, autocommit=True) as connection:
        await connection.execute(statement, values)


TROUBLES = (
    Trouble("broker killed", "BrokerDown", 120, _broker_killed),
    Trouble("database killed", "DatabaseAway", 120, _database_killed),
    Trouble("broker stalled", "BrokerDown", 120, _broker_stalled),
    Trouble("queue without a consumer", "NoConsumers", 180, _queue_without_consumer),
    Trouble("outbox does not drain", "OutboxStalled", 300, _outbox_stalled),
    Trouble("invariant does not hold", "InvariantViolated", 480, _invariant_broken),
    Trouble("FCM refuses our credentials", "ProviderRejectsUs", 120, _fcm_refuses_us),
    Trouble("the mail server refuses us", "ProviderRejectsUs", 120, _mail_refuses_us),
)
SMALL = 2
"""The first troubles are provoked in the smoke, too."""


async def run(lab: Lab, report: Report) -> None:
    """Provoke one trouble after another; each begins when nothing fires."""
    async with lab.system(NAMES) as system:
        every, waits = (EVERY, None) if lab.full else (SMOKE, "3s")
        seen = await watchers.start(system, lab.broker_metrics, every=every, waits=waits)
        for trouble in TROUBLES if lab.full else TROUBLES[:SMALL]:
            await eventually(seen.firing, lambda names: not names, within=QUIET_SECONDS)
            began, alone = time.monotonic(), frozenset({trouble.alert})
            async with trouble.provoke(lab, system):
                names = await eventually(seen.firing, alone.issubset, within=2 * trouble.within)
                took = time.monotonic() - began
            report.exactly(f"{trouble.name}: other alerts than {trouble.alert}", len(names - alone), "", 0)
            report.at_most(f"{trouble.name}: until {trouble.alert} reaches people", took, "s", trouble.within)
            lab.say(f"{trouble.name}: {', '.join(sorted(names))} after {took:.0f} s")

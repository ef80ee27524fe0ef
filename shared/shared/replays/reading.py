"""Counts what a replay would use, reads it into a projection in place, or gives it to a reaction."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any
from uuid import UUID

from shared.errors import Refused
from shared.events import ConsumersOrdered, ReplayRequested, TaskCancelRequested
from shared.events.headers import copy_headers
from shared.messaging import topology
from shared.messaging.confirming_channel import Outbound
from shared.messaging.connection import connected
from shared.messaging.stream_reader import StreamMessage
from shared.persistence.database import Database
from shared.projections import shadow_tables
from shared.projections.projector import Projection
from shared.replays.selection import Seen, Selection, check_age, chosen, total
from shared.replays.shadow import POOL, count_held, failures, shadow_projector
from shared.replays.watcher import Watcher
from shared.service.service import Service
from shared.transactions.unit_of_work import UnitOfWorkFactory

NOTHING = "no event of the log matches: nothing was done"
ORDERS = frozenset({ConsumersOrdered.topic, ReplayRequested.topic, TaskCancelRequested.topic})
"""What operators ordered: they order again what they want again."""
# Create the offset of a replay in the shadow.
INSERT_OFFSET = """
INSERT INTO log_offset (projection, stream, position) VALUES (%(projection)s, %(stream)s, -1) ON CONFLICT DO NOTHING
"""
# Find where a replay that was interrupted continues.
SELECT_OFFSET = "SELECT position FROM log_offset WHERE projection = %(projection)s AND stream = %(stream)s"
# Find which messages a reaction has handled.
COUNT_HANDLED = """
SELECT count(*) AS handled FROM inbox WHERE consumer = %(consumer)s AND message_id = ANY(%(ids)s::uuid[])
"""


async def count(service: Service, request: ReplayRequested, watcher: Watcher) -> dict[str, Any]:
    """Count what a request chooses, and what its consumer would do. Nothing is changed.

    Raises Refused for a reaction to an event that its inbox may have forgotten: it would act a second time.
    """
    topics, streams, handler = reads_of(service, request)
    selection = Selection.of(request, topics)
    seen = {stream: Seen() for stream in streams}
    handled = 0
    async with connected(_broker(service), "replay") as connection:
        for stream in streams:
            async with aclosing(chosen(connection, stream, selection, seen[stream])) as batches:
                async for at, end, messages in batches:
                    await watcher.progress(at + 1, end + 1)
                    if request.mode == "react":
                        check_age(messages, service.settings.inbox_reaches_to())
                        handled += await _handled(service, handler, messages)
    found = total(list(seen.values()))
    shown = {stream: each.shown() for stream, each in seen.items()}
    result = {"dry_run": True, "handler": handler, "events": found, "streams": shown, "published": 0}
    if request.mode == "react":
        result |= {"handled_before": handled, "would_handle": found - handled}
    return result


async def read_in_place(service: Service, request: ReplayRequested, watcher: Watcher) -> None:
    """Read chosen events into the live rows of a projection; newer versions stay, and nothing is published.

    After an interruption all are counted again, and those applied that were not: the result is of the whole replay.
    """
    topics, streams, handler = reads_of(service, request)
    found, selection = service.projections[request.consumer], Selection.of(request, topics)
    seen = {stream: Seen() for stream in streams}
    async with shadow_tables.opened(service.database, (), watcher.task_id) as name:
        url = service.settings.database_url.get_secret_value()
        database = Database(url, service.name, workers=POOL, shadow=name)
        await database.open()
        try:
            await _apply(service, found, selection, seen, UnitOfWorkFactory(database, service.name), name, watcher)
        finally:
            await database.close()
        if not total(list(seen.values())):
            raise Refused(NOTHING)
        async with watcher.commit() as tx:
            failed = await failures(tx, name)
            if failed:
                first = failed[0]
                raise Refused(
                    f"{len(failed)} events could not be applied, the first at offset {first['position']} of "
                    f"{first['stream']}; the others were applied. See the log of the service"
                )
            result = {"handler": handler, "held_back": await count_held(tx, name), "published": 0}
            shown = {stream: each.shown() for stream, each in seen.items()}
            await watcher.finish(tx, result | {"events": total(list(seen.values())), "streams": shown})


async def _apply(
    service: Service,
    found: Projection,
    selection: Selection,
    seen: dict[str, Seen],
    transactions: UnitOfWorkFactory,
    name: str,
    watcher: Watcher,
) -> None:
    projector = shadow_projector(service, found, transactions, name)
    async with connected(_broker(service), "replay") as connection:
        for stream, each in seen.items():
            key = {"projection": found.name, "stream": stream}
            async with transactions.begin() as tx:
                await tx.execute(INSERT_OFFSET, key)
                row = await tx.row(SELECT_OFFSET, key)
            position = int(row["position"]) if row else -1
            async with aclosing(chosen(connection, stream, selection, each)) as batches:
                async for at, end, messages in batches:
                    if left := [message for message in messages if message.offset > position]:
                        await projector.apply(stream, position, left)
                        position = left[-1].offset
                    await watcher.progress(at + 1, end + 1)


async def give_to_reaction(service: Service, request: ReplayRequested, watcher: Watcher) -> None:
    """Publish chosen events to the queue of a reaction; the inbox drops those that it has handled.

    Raises Refused if their number differs from `request.count`.
    """
    now = await count(service, request, watcher)
    if not now["events"]:
        raise Refused(NOTHING)
    if now["events"] != request.count:
        raise Refused(f"{now['events']} events match now, not {request.count}: make a dry run again")
    topics, streams, handler = reads_of(service, request)
    selection, seen = Selection.of(request, topics), Seen()
    given = 0
    async with connected(_broker(service), "replay") as connection:
        for stream in streams:
            async with aclosing(chosen(connection, stream, selection, seen)) as batches:
                async for at, end, messages in batches:
                    copies = [Outbound("", handler, each.body, copy_headers(each.headers)) for each in messages]
                    for problem in await service.components.publisher.publish_all(copies):
                        if problem is not None:
                            raise problem
                    given += len(copies)
                    await watcher.progress(at + 1, end + 1)
    async with watcher.commit() as tx:
        await watcher.finish(tx, {key: now[key] for key in ("handler", "streams", "handled_before")} | {"given": given})


def reads_of(service: Service, request: ReplayRequested) -> tuple[frozenset[str], list[str], str]:
    """Return the topics and the streams of a consumer, and its name; raises Refused for an unknown one."""
    if request.mode == "react":
        check_reaction(service, request.consumer)
        queue = topology.reaction_queue(service.name, request.consumer).name
        return frozenset((request.consumer,)), [topology.stream_of(request.consumer)], queue
    found = service.projections.get(request.consumer)
    if found is None:
        raise Refused(f"{service.name} has {', '.join(service.projections) or 'no projection'}")
    return frozenset(event.topic for event in found.events), found.streams, f"{service.name}.{found.name}"


def reactions_of(service: Service) -> list[str]:
    """Return the topics of the reactions that events of the log may be given to."""
    return sorted(topic for topic, how in service.reads.items() if how == "reaction" and topic not in ORDERS)


def check_reaction(service: Service, topic: str) -> None:
    """Raise Refused if no events of this topic may be given to the service again."""
    if topic in ORDERS:
        raise Refused(f"{topic} is an order of an operator, which is not given again: make a new request")
    if topic not in reactions_of(service):
        raise Refused(f"{service.name} does not react to {topic}")


async def _handled(service: Service, consumer: str, messages: Sequence[StreamMessage]) -> int:
    ids = [UUID(each.identity) for each in messages if each.identity]
    async with service.transactions.begin() as tx:
        row = await tx.row(COUNT_HANDLED, {"consumer": consumer, "ids": ids})
    return int(row["handled"]) if row else 0


def _broker(service: Service) -> str:
    return service.settings.amqp_url.get_secret_value()

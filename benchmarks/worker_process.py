"""A service to be killed: it reacts, emits, projects, does errands, stores dead letters, and records each of these.

Its processes are forked from one that has imported everything: they work within a third of a second, so that kills at
the pace of the promise meet work and not imports.
"""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import uvloop
from psycopg.types.json import Jsonb

from benchmarks.spine_service import SERVICE, fact
from shared.consumers.dead_letters import DeadLetter
from shared.events import NotificationCompleted, TaskChanged
from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.service.server import freeze_gc
from shared.service.service import Service
from shared.settings import ServiceSettings
from shared.telemetry import configure_logs
from shared.transactions.outbox import WorkPermit
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

POISON = ({"poison": {"drops": 1}}, {"poison": {"drops": 2}})
"""Names of messages that a handler refuses, before it runs a statement, or after."""
DEADLY = {"deadly": {"drops": 1}}
"""The name of a message that kills its worker, until it is cured."""
LANE = "errands"

TABLES = """
CREATE TABLE notifier.handled (task_id uuid, worker int);
CREATE TABLE notifier.projected (nth bigserial, task_id uuid);
CREATE TABLE notifier.buried (task_id uuid, queue text, error text, headers jsonb, body text, message_id text,
    attempts int, UNIQUE (message_id, queue, attempts));
CREATE TABLE notifier.errand (number int, worker int);
CREATE TABLE notifier.cured (task_id uuid);
GRANT ALL ON ALL TABLES IN SCHEMA notifier TO notifier_worker;
GRANT ALL ON ALL SEQUENCES IN SCHEMA notifier TO notifier_worker;
"""
"""Tables without a key, so that work that is done twice shows; letters arrive at least once and are stored once."""

HANDLED = "INSERT INTO handled VALUES (%(task)s, %(worker)s)"
PROJECTED = "INSERT INTO projected (task_id) SELECT * FROM unnest(%(tasks)s::uuid[])"
BURIED = """
INSERT INTO buried VALUES (%(task)s, %(queue)s, %(error)s, %(headers)s, %(body)s, %(message)s, %(attempts)s)
ON CONFLICT DO NOTHING
"""
RAN = "INSERT INTO errand VALUES (%(number)s, %(worker)s)"
CURED = "SELECT 1 FROM cured WHERE task_id = %(task)s"


class Errand(WorkPermit):
    """A permit that carries a number."""

    name: ClassVar[str] = "notifier.errand"
    number: int

    @property
    def subject(self) -> str:
        return str(self.number)


async def handle(event: NotificationCompleted, tx: UnitOfWork) -> None:
    """Write a row and an event; poison fails before the row or after it, a deadly message kills."""
    if event.counts == POISON[0]:
        raise ValueError
    if event.counts == DEADLY and await tx.row(CURED, {"task": event.task_id}) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    await tx.execute(HANDLED, {"task": event.task_id, "worker": os.getpid()})
    tx.emit(fact(event.task_id, event.school_id))
    if event.counts == POISON[1]:
        raise ValueError


async def remember(events: Sequence[Event], tx: UnitOfWork) -> None:
    """Append the events of the log."""
    await tx.execute(PROJECTED, {"tasks": [event.subject for event in events]})


async def run_errand(permit: Errand, cause: Envelope, transactions: UnitOfWorkFactory) -> None:
    """Append a row for each message."""
    async with transactions.handle(LANE, [cause]) as new:
        if (tx := new.pop(cause.id, None)) is not None:
            await tx.execute(RAN, {"number": permit.number, "worker": os.getpid()})


async def keep(letter: DeadLetter, tx: UnitOfWork) -> None:
    """Append a dead letter."""
    await tx.execute(
        BURIED,
        {
            "task": letter.headers.get("ce-taskid"),
            "queue": letter.queue,
            "error": letter.error,
            "headers": Jsonb(letter.headers),
            "body": letter.body.decode(),
            "message": letter.message_id,
            "attempts": letter.attempts,
        },
    )


def register(service: Service) -> Service:
    """Build the service of a worker."""
    service.on(NotificationCompleted, handle)
    service.project("remember", (TaskChanged,), remember)
    service.work(Errand, run_errand, [LANE])
    service.store_dead_letters(keep)
    return service


def main(environment: Mapping[str, str], log: Path) -> None:
    """Run a worker's process until it is killed; it does not outlive the process that started it."""
    written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.environ.update(environment)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    configure_logs("worker", "WARNING", "json")
    service = register(Service(SERVICE, ServiceSettings()))
    freeze_gc()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_live(service))


async def _live(service: Service) -> None:
    async with service.runtime.running():
        await asyncio.Event().wait()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)

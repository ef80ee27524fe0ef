"""The load of `make bench ONLY=replay`: records in the log, digests of facts, rebuilds over HTTP, live events."""

import asyncio
import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import psycopg
from psycopg.rows import dict_row
from uuid_utils.compat import uuid7

from cli.operations import tokens
from cli.testing.system import System
from shared.events import Envelope, GradeRecorded
from shared.messaging.confirming_channel import Outbound
from shared.messaging.connection import connected
from shared.messaging.publisher import publishing
from shared.messaging.stream_reader import last_offset
from shared.messaging.topology import EVENTS
from shared.testing.fixtures import eventually

STREAM = "school.log.records"
BATCH = 200
SCHOOLS = [UUID(int=number) for number in range(1, 51)]
TABLES = ("grade_fact", "school_position", "school_fact", "student_fact", "person_fact")
ENDED = ("succeeded", "failed", "cancelled")
PAUSE = 0.05
"""Seconds between two live events."""
LOOK = 0.003

# Digest a table, whatever the order of its rows.
DIGEST = "SELECT count(*) || ':' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) AS digest FROM {table} t"


def record(number: int) -> Outbound:
    """Make the message of one made-up record."""
    event = GradeRecorded(
        record_id=uuid7(),
        version=1,
        school_id=SCHOOLS[number % len(SCHOOLS)],
        student_id=UUID(int=1000 + number % 10_000),
        course="Mathematics",
        given_on=dt.date(2026, 11, 3),
        grade="B+",
        recorded_at=dt.datetime(2026, 11, 3, 8, tzinfo=dt.UTC),
    )
    headers = Envelope.of(event, "gateway").headers()
    return Outbound(EVENTS, event.topic, event.model_dump_json().encode(), headers)


async def publish(system: System, most: int, seconds: float) -> int:
    """Publish records until there are `most` or the time is over; returns their number."""
    done, until = 0, time.monotonic() + seconds
    async with publishing(system.backing.amqp_url, "replay load") as publisher:
        while done < most and time.monotonic() < until:
            problems = await publisher.publish_all([record(done + each) for each in range(BATCH)])
            for problem in problems:
                if problem is not None:
                    raise problem
            done += BATCH
    return done


@dataclass(frozen=True, slots=True)
class Facts:
    """The rows of the report service."""

    system: System

    async def grades(self) -> int:
        """Count the facts of records."""
        (row,) = await asyncio.to_thread(self.system.rows, "SELECT count(*) AS count FROM reports.grade_fact")
        return int(row["count"])

    async def digest(self) -> dict[str, str]:
        """Return a digest of each table."""
        found = {}
        for table in TABLES:
            query = DIGEST.format(table=f"reports.{table}")
            (row,) = await asyncio.to_thread(self.system.rows, query)
            found[table] = row["digest"]
        return found

    async def published(self) -> int:
        """Return the number of events in the log that are no states of tasks and no requests of replays."""
        streams = ("school.log.directory", STREAM, "school.log.work")
        async with connected(self.system.backing.amqp_url, "replay load") as connection:
            return sum([await last_offset(connection, stream) + 1 for stream in streams])


@dataclass(frozen=True, slots=True)
class Replayed:
    """An ended rebuild: from its request to its end, and the rows that it changed."""

    seconds: float
    changed: int


async def replay(system: System, within: float) -> Replayed:
    """Rebuild the facts over HTTP and wait for the end."""
    token = tokens.make(system.backing.keys / "signing.pem", "platform_admin")
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=system.url, headers=headers, timeout=30) as client:

        async def task() -> dict[str, Any]:
            answer = await client.get(f"/v1/tasks/{accepted['task_id']}")
            return dict(answer.raise_for_status().json())

        async def asked() -> httpx.Response:
            return await client.post("/v1/replays", json={"service": "reports"})

        # The first heartbeats may not have been heard yet.
        answer = await eventually(asked, lambda found: found.status_code == httpx.codes.ACCEPTED, within=60)
        began, accepted = time.perf_counter(), answer.json()
        ended = await eventually(task, lambda found: found["state"] in ENDED, within=within)
        assert ended["state"] == "succeeded", ended
        return Replayed(time.perf_counter() - began, sum(ended["result"]["changed"].values()))


async def latencies(system: System, *, seconds: float = 0, until: "asyncio.Task[Any] | None" = None) -> list[float]:
    """Publish live events one after the other, and measure each until its fact is there."""
    found: list[float] = []
    end = time.monotonic() + seconds
    query = "SELECT 1 FROM reports.grade_fact WHERE record_id = %s"
    connecting = psycopg.AsyncConnection.connect(system.backing.admin_url, autocommit=True, row_factory=dict_row)
    async with publishing(system.backing.amqp_url, "live events") as publisher, await connecting as connection:
        while not until.done() if until is not None else time.monotonic() < end:
            message = record(len(found))
            identity = message.body.partition(b'"record_id":"')[2][:36].decode()
            began = time.perf_counter()
            (problem,) = await publisher.publish_all([message])
            if problem is not None:
                raise problem
            while await (await connection.execute(query, (identity,))).fetchone() is None:
                await asyncio.sleep(LOOK)
            found.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE)
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that a share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

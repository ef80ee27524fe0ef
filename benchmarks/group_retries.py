"""Two groups of failures beside all others: one whose cause is mended, one whose cause is still there; both retried."""

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

import httpx
from psycopg.types.json import Jsonb

from benchmarks.harness import Lab, Report
from shared.events import DeviceInvalidated, Envelope
from shared.service.service import Service
from shared.testing.fixtures import eventually

QUEUE = "gateway.device.invalidated"
MENDED, BROKEN = "mended", "broken"
WITHIN = 300.0
ENDED = ("succeeded", "failed", "cancelled")
OUTCOMES = ("retried", "skipped", "failed_again", "halted", "cancelled", "sent")
# Add a failure of a message that this gateway consumes.
ADD_FAILURE = """
INSERT INTO failure (school_id, message_id, queue, type, error, fingerprint, attempts, first_failed, last_failed,
                     headers, body)
VALUES (%(school)s, %(id)s, %(queue)s, 'device.invalidated', 'ValueError: demo', %(fault)s, 4, now(), now(),
        %(headers)s, %(body)s)
"""


async def measure(lab: Lab, client: httpx.AsyncClient, service: Service, report: Report, school: UUID) -> None:
    """Retry both groups; each member has the outcome that it must have."""
    count = lab.size(5_000, 30)
    async with service.transactions.begin() as tx:
        for fault in (MENDED, BROKEN):
            for _ in range(count):
                tx.write(ADD_FAILURE, _failure(school, fault))
    began = dt.datetime.now(dt.UTC)
    handled = await _retry(client, MENDED)
    report.figure("retry of a group", count / (dt.datetime.now(dt.UTC) - began).total_seconds(), "messages/s")
    halted = await _retry(client, BROKEN)
    _judge(report, "cause mended", handled, {"retried": count})
    _judge(report, "cause still there", halted, {"failed_again": 1, "halted": count - 1})


def _judge(report: Report, name: str, result: dict[str, int], expected: dict[str, int]) -> None:
    wanted = dict.fromkeys(OUTCOMES, 0) | expected
    wrong = sum(abs(result[outcome] - number) for outcome, number in wanted.items())
    outcomes = ", ".join(f"{number:,} {outcome}" for outcome, number in result.items() if number)
    report.note(f"group retry, {name}: {outcomes}")
    report.exactly(f"group retry, {name}: members with another outcome", wrong, "members", 0)


def _failure(school: UUID, fault: str) -> dict[str, Any]:
    """Make the values of a failure; the consumer cannot read the body of one whose cause is still there."""
    event = DeviceInvalidated(
        school_id=school, person_id=uuid4(), token_sha256="0" * 64, attempted_at=dt.datetime.now(dt.UTC)
    )
    envelope = Envelope.of(event, "gateway")
    body = event.model_dump_json().encode() if fault == MENDED else b"{}"
    return {
        "school": school,
        "id": envelope.id,
        "queue": QUEUE,
        "fault": fault,
        "headers": Jsonb(envelope.headers()),
        "body": body,
    }


async def _retry(client: httpx.AsyncClient, fault: str) -> dict[str, int]:
    """Retry a group as it is seen, and wait for the end; returns members by outcome."""
    seen = (await client.get("/v1/failure-groups", params={"queue": QUEUE, "fingerprint": fault})).json()
    selection = {"queue": QUEUE, "fingerprint": fault, "seen_until": seen["seen_until"], "count": seen["count"]}
    accepted = await client.post("/v1/failures/retry", json=selection)
    result: dict[str, int] = (await ended(client, accepted))["result"]
    return result


async def ended(client: httpx.AsyncClient, accepted: httpx.Response) -> dict[str, Any]:
    """Return the task of an accepted request once it has ended."""
    address = accepted.raise_for_status().headers["location"]

    async def task() -> dict[str, Any]:
        return dict((await client.get(address)).raise_for_status().json())

    return await eventually(task, lambda found: found["state"] in ENDED, within=WITHIN)

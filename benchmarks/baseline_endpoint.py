"""The peer of the gateway's POST: a bare FastAPI endpoint that writes task, intent and outbox row in one CTE.

No sign-in, no idempotency, no row-level security, no limits: `python -m benchmarks.baseline_endpoint DSN PORT`.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import uvicorn
import uvloop
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel
from uuid_utils.compat import uuid7

# The gateway's own tables, with their indexes and without their policies: the same rows are written.
TABLES = """
CREATE TABLE IF NOT EXISTS bare_task (LIKE gateway.task INCLUDING ALL);
CREATE TABLE IF NOT EXISTS bare_intent (LIKE gateway.intent INCLUDING ALL);
CREATE TABLE IF NOT EXISTS bare_outbox (LIKE gateway.outbox INCLUDING ALL);
"""
WRITE = """
WITH t AS (
    INSERT INTO bare_task (task_id, school_id, kind, state)
    VALUES (%(task)s, %(school)s, 'notification.send', 'accepted')
), i AS (
    INSERT INTO bare_intent (notification_id, school_id, task_id) VALUES (%(notification)s, %(school)s, %(task)s)
)
INSERT INTO bare_outbox (exchange, routing_key, headers, data)
VALUES ('school.events', 'notification.requested', '{}', %(data)s)
"""


class Audience(BaseModel):
    """The audience of a send."""

    people: list[UUID]


class Body(BaseModel):
    """The same body as the gateway's."""

    type: str
    title: str
    body: str
    data: dict[str, str]
    audience: Audience


def app(dsn: str) -> FastAPI:
    """One route."""
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        dsn, min_size=8, max_size=8, open=False, kwargs={"autocommit": True}
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with pool:
            async with pool.connection() as connection:
                await connection.execute(TABLES)
            yield

    found = FastAPI(lifespan=lifespan)

    @found.post("/v1/notifications", status_code=202)
    async def send(body: Body) -> dict[str, str]:
        task, notification, school = uuid7(), uuid7(), uuid7()
        data = json.dumps(body.model_dump(mode="json"))
        async with pool.connection() as connection:
            values = {"task": task, "notification": notification, "school": school, "data": data}
            await connection.execute(WRITE, values)
        return {"task_id": str(task), "state": "accepted"}

    return found


if __name__ == "__main__":
    config = uvicorn.Config(app(sys.argv[1]), port=int(sys.argv[2]), log_level="error", access_log=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())

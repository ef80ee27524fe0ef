"""What operators see: on a port of their own, and soon after something waits."""

import asyncio
import datetime as dt
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest

from shared.persistence.database import Database
from shared.persistence.encryption import SubjectKeyStore
from shared.service.operations_port import OperationsPort
from shared.service.outbox_backlog import OutboxBacklog
from shared.telemetry import Metrics
from shared.testing.fixtures import fresh_database, service_url

ADD = """
INSERT INTO outbox (exchange, routing_key, headers, data, created_at)
SELECT 'school.events', 'x', '{}', '{}', clock_timestamp() - interval '40 s' FROM generate_series(1, 3)
"""


@pytest.mark.parametrize(
    ("port", "path", "status"),
    [
        (8000, "/metrics", 404),
        (9000, "/metrics", 200),
        (8000, "/health/status", 404),
        (9000, "/health/status", 200),
        (8000, "/", 200),
        (9000, "/", 404),
        (8000, "/health/ready", 200),
        (9000, "/health/ready", 200),
        (8000, "/v1/people", 200),
        (9000, "/v1/people", 404),
    ],
)
async def test_metrics_and_status_are_on_the_operators_port_only(port, path, status):
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    app.add_middleware(OperationsPort, port=9000)

    @app.get("/{anything:path}")
    async def found():
        return {}

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://x:{port}") as client:
        assert (await client.get(path)).status_code == status


async def test_an_erased_key_does_not_stay_in_memory():
    store = SubjectKeyStore(SimpleNamespace(), bytes(32), ttl=dt.timedelta(seconds=0.01))
    store._cache[uuid4()] = (0.0, None)
    store.forget_expired()
    assert not store._cache


async def test_keys_that_are_wanted_at_the_same_time_are_read_together():
    with fresh_database(["gateway"]) as url:
        database = Database(service_url(url, "gateway"), "gateway")
        await database.open()
        store = SubjectKeyStore(database, bytes(32), creates=True)
        subjects = [uuid4() for _ in range(20)]
        wanted = [asyncio.create_task(store.keys([subject])) for subject in subjects]
        found = await asyncio.gather(*wanted)
        assert [list(each) for each in found] == [[subject] for subject in subjects]
        assert database.workers.get_stats()["requests_num"] <= 2
        await database.close()


async def test_the_backlog_of_the_outbox_is_reported_within_seconds():
    metrics = Metrics()
    with fresh_database(["gateway"]) as url:
        database = Database(service_url(url, "gateway"), "gateway")
        await database.open()
        backlog = OutboxBacklog(database, metrics, seconds=0.05)
        looking = asyncio.create_task(backlog.run())
        try:
            async with database.worker() as connection:
                await connection.execute(ADD)
            async with asyncio.timeout(10):
                while backlog.pending != 3:
                    await asyncio.sleep(0.02)
        finally:
            looking.cancel()
            await database.close()
    exported = generate_latest(metrics.registry).decode()
    assert "schoolconnect_outbox_pending_rows 3.0" in exported
    assert backlog.oldest >= 40
    assert "3 messages wait" in backlog.notes()[0]

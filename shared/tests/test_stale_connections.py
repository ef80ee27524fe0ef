"""Connections that a restarted server has closed cost no request; an outage is 503 in every service."""

import errno
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from shared.http.unhandled import UnexpectedErrors
from shared.persistence.database import Database
from shared.testing.fixtures import fresh_database, service_url

HANG_UP = """
SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
WHERE application_name = %s AND datname = current_database()
"""


@pytest.fixture(scope="module")
def admin_url():
    with fresh_database(["gateway"]) as url:
        yield url


async def test_every_connection_of_a_pool_is_replaced_after_a_restart_without_an_error(admin_url):
    database = Database(service_url(admin_url, "gateway"), "gateway", workers=4, requests=2)
    await database.open()
    try:
        await database.workers.resize(4, 4)
        await database.workers.wait(20)
        with psycopg.connect(admin_url, autocommit=True) as admin:
            assert admin.execute(HANG_UP, ("gateway_worker",)).fetchone()[0] == 4
        for _ in range(6):
            async with database.worker() as connection:
                await connection.execute("SELECT 1")
    finally:
        await database.close()


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (psycopg.OperationalError("gone"), 503),
        (psycopg.errors.AdminShutdown("stopping"), 503),
        (OSError(errno.EMFILE, "Too many open files"), 503),
        (ZeroDivisionError(), 500),
    ],
    ids=str,
)
async def test_an_error_that_no_route_expects_is_a_problem(problem, status):
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    app.add_middleware(UnexpectedErrors)

    @app.get("/")
    async def fail():
        raise problem

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://owner") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_a_url_with_several_hosts_finds_the_one_that_takes_writes(admin_url):
    url = urlsplit(service_url(admin_url, "gateway"))
    user, _, host = url.netloc.rpartition("@")
    several = url._replace(netloc=f"{user}@127.0.0.1:1,{host}", query="target_session_attrs=read-write")
    database = Database(urlunsplit(several), "gateway", workers=2, requests=1)
    await database.open()
    try:
        await database.check_writable()
    finally:
        await database.close()

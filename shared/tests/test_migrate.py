"""The migration step, where several databases share one server, whose roles are one for all."""

import asyncio
import os
import subprocess
import sys
from contextlib import ExitStack
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg import sql

from shared.testing import service_url

AT_ONCE = 4
STEP = """
import sys
from shared.migrate import migrate
migrate(sys.argv[1], {"notifier": sys.argv[2]})
"""


def step(url):
    command = (sys.executable, "-c", STEP, url, service_url(url, "notifier"))
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def test_databases_of_one_server_are_migrated_at_the_same_time():
    # given
    server = os.environ["TEST_DATABASE_URL"]
    names = [f"test_{uuid4().hex[:12]}" for _ in range(AT_ONCE)]
    with psycopg.connect(server, autocommit=True) as admin, ExitStack() as dropped:
        for name in names:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            dropped.callback(admin.execute, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        urls = [urlunsplit(urlsplit(server)._replace(path=f"/{name}")) for name in names]
        # when
        done = await asyncio.gather(*(asyncio.to_thread(step, url) for url in urls))
        # then
        assert [each.returncode for each in done] == [0] * AT_ONCE, [each.stderr[-500:] for each in done]
        for url in urls:
            with psycopg.connect(service_url(url, "notifier")) as service:
                service.execute("SET ROLE notifier_worker")
                assert service.execute("SELECT count(*) FROM notifier.outbox").fetchone() == (0,)

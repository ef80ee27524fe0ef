"""A cluster for a scenario: three RabbitMQ nodes, PostgreSQL with a synchronous standby, and how each of them fails."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import quote, urlsplit

import httpx
import psycopg

from benchmarks.harness import Lab
from cli.backing import cluster, postgres, rabbitmq
from cli.processes.keys import password
from cli.processes.ports import pick
from shared.errors import Refused
from shared.testing.fixtures import eventually

WAIT_FOR_STANDBY = f"ALTER SYSTEM SET synchronous_standby_names = '{cluster.STANDBY}'"
RELOAD = "SELECT pg_reload_conf()"
SELECT_STANDBY_STATE = "SELECT sync_state FROM pg_stat_replication"
PROMOTE = "SELECT pg_promote()"
WHOLE_SECONDS = 180.0


class Cluster:
    """The servers of a cluster that runs."""

    def __init__(self, lab: Lab, brokers: cluster.Brokers, databases: cluster.Databases) -> None:
        self._lab = lab
        self._brokers = brokers
        self._databases = databases

    async def queues(self, amqp_url: str) -> list[dict[str, object]]:
        """Return what the first node says of each queue of a virtual host."""
        vhost = quote(urlsplit(amqp_url).path[1:], safe="")
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            answer = await client.get(f"{self._brokers.management_url}/api/queues/{vhost}")
            return list(answer.raise_for_status().json())

    async def whole(self, amqp_url: str) -> None:
        """Return when each replicated queue has a member on every node again."""

        async def behind() -> list[str]:
            try:
                queues = await self.queues(amqp_url)
            except httpx.HTTPError as problem:
                return [type(problem).__name__]
            return [
                f"{queue['name']} (leader {queue.get('leader')}, online {_members(queue)})"
                for queue in queues
                if queue.get("type") in ("quorum", "stream") and len(_members(queue)) < len(cluster.NODES)
            ]

        await eventually(behind, lambda found: not found, within=WHOLE_SECONDS)

    async def kill(self, node: str, seconds: float) -> None:
        """Kill a node, and start it again after some seconds."""
        self._lab.fleet.kill(node)
        await asyncio.sleep(seconds)
        await self._lab.fleet.again(node)

    async def pause(self, node: str, seconds: float) -> None:
        """Stop a node for some seconds without ending it: its connections stay open and silent."""
        pid = self._lab.fleet.pid(node)
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    async def promote(self) -> None:
        """Kill the primary and promote the standby. The primary must never start again: both would accept writes."""
        self._lab.fleet.kill(cluster.PRIMARY)
        async with await psycopg.AsyncConnection.connect(self._databases.standby_url, autocommit=True) as standby:
            await standby.execute(PROMOTE)


def _members(queue: dict[str, object]) -> list[str]:
    online = queue.get("online")
    return list(online) if isinstance(online, list) else []


@asynccontextmanager
async def clustered(lab: Lab) -> AsyncIterator[Cluster]:
    """Start a cluster; inside the body the lab's systems are made on it instead of on the single nodes."""
    script, installed = rabbitmq.find(), postgres.find()
    if script is None or not installed:
        raise Refused("RabbitMQ and PostgreSQL must be installed here: a container's node is not ours to kill -9")
    ports, secret = pick(cluster.PORTS), password(lab.layout.secrets, "cluster")
    brokers = cluster.brokers(script, lab.layout.inside / "cluster", ports, secret)
    databases = cluster.databases(postgres.home(lab.layout, postgres.server_user()), ports, secret)
    alone = lab.amqp_url, lab.management_url, lab.database_url
    try:
        await lab.fleet.start(*(replace(spec, limit=240.0) for spec in (*brokers.specs, *databases.primary)))
        await lab.fleet.start(*databases.standby)
        await _synchronous(databases.url)
        lab.amqp_url, lab.management_url, lab.database_url = brokers.amqp_url, brokers.management_url, databases.url
        yield Cluster(lab, brokers, databases)
    finally:
        lab.amqp_url, lab.management_url, lab.database_url = alone
        for name in lab.fleet.running & {*cluster.NODES, cluster.EPMD, cluster.PRIMARY, cluster.STANDBY}:
            lab.fleet.kill(name)


async def _synchronous(url: str) -> None:
    """Let the primary wait for its standby at each commit; returns when it does."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as primary:
        await primary.execute(WAIT_FOR_STANDBY)
        await primary.execute(RELOAD)

        async def states() -> list[str]:
            return [row[0] for row in await (await primary.execute(SELECT_STANDBY_STATE)).fetchall()]

        await eventually(states, lambda found: found == ["sync"], within=60)

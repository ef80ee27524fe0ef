"""Probes: each checks whether a process is ready and raises NotReady with the reason."""

import asyncio
import ssl
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import httpx
import psycopg
from aio_pika.exceptions import AMQPError
from psycopg import sql

from cli.processes.specs import NotReady, Probe

TIMEOUT = 3.0
SHOWN = 200


def answers(url: str, ca: Path | None = None) -> Probe:
    """Ready when `GET url` of this machine answers 200. `ca` is the PEM file of the authority to trust."""
    port = urlsplit(url).port or 80

    async def probe() -> None:
        # Checked first, because a client costs a hundred times as much, many times a second while a process starts.
        await listens(port)()
        try:
            trust = ssl.create_default_context(cafile=ca) if ca else False
            async with httpx.AsyncClient(verify=trust, timeout=TIMEOUT, trust_env=False) as client:
                response = await client.get(url)
        except (httpx.HTTPError, OSError) as problem:
            raise NotReady(f"{url}: {type(problem).__name__} {problem}") from problem
        if response.status_code != httpx.codes.OK:
            raise NotReady(f"{url} answered {response.status_code}: {response.text[:SHOWN]}")

    return probe


def listens(port: int) -> Probe:
    """Ready when `port` accepts connections."""

    async def probe() -> None:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), TIMEOUT)
        except (OSError, TimeoutError) as problem:
            raise NotReady(f"port {port}: {problem}") from problem
        writer.close()

    return probe


def broker(url: str) -> Probe:
    """Ready when RabbitMQ lets the user of `url` into its virtual host."""

    async def probe() -> None:
        # Checked first, because the client logs a warning for every refused connection.
        await listens(urlsplit(url).port or 5672)()
        try:
            connection = await aio_pika.connect(url, timeout=TIMEOUT)
        except (AMQPError, OSError, TimeoutError) as problem:
            raise NotReady(f"RabbitMQ: {type(problem).__name__} {problem}") from problem
        await connection.close()

    return probe


def database(url: str) -> Probe:
    """Ready when PostgreSQL lets the user of `url` in; creates the database of `url` if it is missing."""
    parts = urlsplit(url)
    name = parts.path.lstrip("/")

    async def probe() -> None:
        try:
            connection = await psycopg.AsyncConnection.connect(
                urlunsplit(parts._replace(path="/postgres")), autocommit=True, connect_timeout=int(TIMEOUT)
            )
            async with connection:
                found = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
                if not await found.fetchone():
                    await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg.Error as problem:
            raise NotReady(f"PostgreSQL: {problem}") from problem

    return probe

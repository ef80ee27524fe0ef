"""A private PostgreSQL: its own folder, port and password; runs as another user where we are root."""

import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg

from cli.layout import write_private
from cli.local.specs import NotReady, Spec
from shared.errors import Refused

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "300",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "password_encryption": "scram-sha-256",
    "unix_socket_directories": "''",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """One private cluster."""

    programs: Path
    folder: Path
    port: int
    password: str
    user: str | None

    @property
    def url(self) -> str:
        """DSN of the superuser."""
        return f"postgresql://schoolconnect:{self.password}@127.0.0.1:{self.port}/schoolconnect"

    def prepare(self) -> None:
        """Make the cluster if there is none."""
        data = self.folder / "data"
        if (data / "PG_VERSION").exists():
            have, ours = (data / "PG_VERSION").read_text().strip(), self.programs.parent.name
            if ours.isdigit() and have != ours:
                raise Refused(
                    f"the data was written by PostgreSQL {have}, installed is {ours}: `make reset` removes it"
                )
            return
        shutil.rmtree(data, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        word = self.folder / f"password-{secrets.token_hex(4)}"
        word.touch(mode=0o600)
        word.write_text(self.password)
        if self.user:
            shutil.chown(self.folder, self.user)
            shutil.chown(word, self.user)
        try:
            done = subprocess.run(
                [
                    str(self.programs / "initdb"),
                    *("--pgdata", str(data), "--username", "schoolconnect", "--pwfile", str(word)),
                    *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"),
                ],
                user=self.user,
                group=self.user,
                extra_groups=[] if self.user else None,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            word.unlink(missing_ok=True)
        if done.returncode:
            raise Refused(f"initdb failed: {done.stderr.strip().splitlines()[-1:]}")

    def spec(self) -> Spec:
        """The server process; SIGINT is its fast shutdown."""
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        settings[settings.index("unix_socket_directories=''")] = "unix_socket_directories="
        return Spec(
            name="postgres",
            argv=(
                str(self.programs / "postgres"),
                *("-D", str(self.folder / "data"), "-p", str(self.port)),
                *settings,
            ),
            env={"PATH": os.environ.get("PATH", ""), "LANG": "C"},
            ready=self.ready,
            user=self.user,
            stop_signal=2,
            grace=10.0,
        )

    async def ready(self) -> None:
        """Returns once the server answers and has our database."""
        server = self.url.rpartition("/")[0] + "/postgres"
        try:
            async with await psycopg.AsyncConnection.connect(server, autocommit=True, connect_timeout=2) as connection:
                found = await connection.execute("SELECT 1 FROM pg_database WHERE datname = 'schoolconnect'")
                if await found.fetchone() is None:
                    await connection.execute("CREATE DATABASE schoolconnect")
        except psycopg.OperationalError as problem:
            raise NotReady(str(problem).splitlines()[0]) from problem


def password(folder: Path, name: str) -> str:
    """A password made once and kept."""
    path = folder / name
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24).encode())
    return path.read_text()

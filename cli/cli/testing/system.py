"""Run the whole system as processes for a test or a measurement: real broker and database, fake providers.

Every process can be killed and started again.
"""

import asyncio
import os
import ssl
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from cli.demo.client import FINAL, Gateway
from cli.demo.stack import Stack
from cli.fakes import certs
from cli.operations import tokens
from cli.operations.service_builders import BUILDS
from cli.operations.service_names import NAMES
from cli.processes.fleet import Fleet
from cli.processes.ports import pick
from cli.processes.probes import answers
from cli.processes.process_table import ProcessTable
from cli.processes.specs import Spec
from cli.testing.forking import fork
from shared.events.values import Role
from shared.testing.fixtures import Backing, declare, eventually

GRACE = 15.0
"""Seconds within which every process must stop by itself."""
# Count notifications that are not planned yet, and deliveries that are due or at a provider.
COUNT_UNDER_WAY = """
SELECT (SELECT count(*) FROM notifier.notification WHERE state = 'waiting')
     + (SELECT count(*) FROM notifier.delivery
        WHERE state = 'sending' OR (state = 'pending' AND due_at <= clock_timestamp())) AS n
"""


@dataclass
class System:
    """The processes of one system. `extra` is added to every service's environment.

    With `forks` they are forks of a process that has imported them, where that is possible.
    """

    backing: Backing
    folder: Path
    ports: dict[str, int] = field(default_factory=lambda: pick((*NAMES, "fcm", "smtp", "mail")))
    extra: dict[str, str] = field(default_factory=dict)
    table: ProcessTable | None = None
    forks: bool = False

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.fleet = Fleet(self.folder, self.table, fork if self.forks else None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['gateway']}"

    @property
    def fcm(self) -> str:
        return f"https://localhost:{self.ports['fcm']}"

    @property
    def mail(self) -> str:
        return f"http://127.0.0.1:{self.ports['mail']}"

    @property
    def certs(self) -> Path:
        return self.folder / "certs"

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment of a service's process."""
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **self.backing.environment(service),
            **{f"{name.upper()}_URL": f"http://127.0.0.1:{self.ports[name]}" for name in NAMES},
            "PORT": str(self.ports[service]),
            "FCM_URL": self.fcm,
            "FCM_CA_FILE": str(self.certs / "ca.pem"),
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.certs / "service-account.json"),
            "SMTP_URL": f"smtp://127.0.0.1:{self.ports['smtp']}",
            "HEARTBEAT": "1",
            "LAST_ANSWERS": "0",  # stops are quick; a scenario about stops sets it
            **self.extra,
        }

    async def start_fakes(self) -> None:
        """Start the fakes of FCM and of a mail server, with their certificates."""
        await asyncio.to_thread(certs.make, self.certs, token_uri=f"{self.fcm}/token")
        fcm = ("cli.fakes.fcm", "--port", str(self.ports["fcm"]), "--certs", str(self.certs))
        smtp = ("cli.fakes.smtp", "--smtp-port", str(self.ports["smtp"]), "--http-port", str(self.ports["mail"]))
        await self.fleet.start(
            python("fcm", fcm, os.environ, f"{self.fcm}/stats", self.certs / "ca.pem"),
            python("smtp", smtp, os.environ, f"{self.mail}/stats"),
        )

    async def declare(self) -> None:
        """Declare every service's exchanges and queues.

        As the topology step does, but here: its process would import every service for each system.
        """
        settings = {name.lower(): value for name, value in self.environment("gateway").items()}
        await declare(self.backing.amqp_url, *(build(**settings).topology() for build in BUILDS.values()))

    async def start(self, *services: str) -> None:
        """Start services, also again after a kill, and return when they are ready."""
        await self.fleet.start(*map(self.spec, services))

    def spec(self, service: str) -> Spec:
        """Define the process of a service, so that a test can start it under other conditions."""
        ready = f"http://127.0.0.1:{self.ports[service]}/health/ready"
        return python(service, (service,), self.environment(service), ready)

    def kill(self, service: str) -> None:
        """Send SIGKILL and wait for the end."""
        self.fleet.kill(service)

    async def stop(self) -> None:
        """Stop every process; fails when one had to be killed."""
        stubborn = await self.fleet.stop()
        assert not stubborn, f"{', '.join(stubborn)} did not stop within {GRACE:.0f} s"

    def api(self, role: Role = "platform_admin") -> Gateway:
        key = self.backing.keys / "signing.pem"
        return Gateway(self.url, lambda: tokens.make(key, role))

    def demo_stack(self) -> Stack:
        """Return what the demo has to know to be played here."""
        key = self.backing.keys / "signing.pem"
        return {
            "gateway": self.url,
            "token": lambda role: tokens.make(key, role),
            "person_token": lambda role, school: tokens.make_for_person(key, self.url, role, school),
            "fcm": self.fcm,
            "fcm_ca": str(self.certs / "ca.pem"),
            "mail": {"smtp": f"127.0.0.1:{self.ports['smtp']}", "http": self.mail},
        }

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.backing.admin_url, row_factory=dict_row) as connection:
            return connection.execute(query, values).fetchall()

    async def idle(self) -> None:
        """Return when no message is on its way: the fakes count those of all tests on this system."""

        async def look() -> int:
            return int(self.rows(COUNT_UNDER_WAY)[0]["n"])

        await eventually(look, lambda n: n == 0, within=60)

    def stats(self, fake: str) -> dict[str, Any]:
        """Return the counters of a fake."""
        with self._fake(fake) as client:
            return dict(client.get("/stats").raise_for_status().json())

    def faults(self, fake: str, **faults: Any) -> None:
        """Switch faults of a fake on or off."""
        with self._fake(fake) as client:
            client.post("/faults", json=faults).raise_for_status()

    def _fake(self, fake: str) -> httpx.Client:
        if fake == "fcm":
            trusted = ssl.create_default_context(cafile=self.certs / "ca.pem")
            return httpx.Client(base_url=self.fcm, verify=trusted)
        return httpx.Client(base_url=self.mail)

    async def finished(self, task: str, within: float = 90) -> dict[str, Any]:
        """Wait for a task and return its result; fails if it did not succeed."""
        with closing(self.api()) as api:
            ended = await eventually(
                lambda: asyncio.to_thread(api.task, task), lambda seen: seen.state in FINAL, within=within
            )
        assert ended.state == "succeeded", ended
        return dict(ended.result)

    def logs(self) -> str:
        """Return the output of all processes."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))


def python(name: str, module: tuple[str, ...], env: Any, url: str | None = None, ca: Path | None = None) -> Spec:
    """Define a process that runs a module; it is ready when `url` answers 200. Without `url` it is a step."""
    return Spec(
        name=name,
        argv=(sys.executable, "-m", *module),
        env=dict(env),
        ready=answers(url, ca) if url else None,
        grace=GRACE,
        limit=120.0,
    )

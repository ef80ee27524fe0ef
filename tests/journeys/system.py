"""The whole system as processes of a test: real broker, database and stand-ins; any process can be killed."""

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from cli import tokens
from cli.demo.api import FINAL, Gateway
from cli.local.ports import pick
from cli.local.probes import answers
from cli.local.specs import NotReady
from cli.services import NAMES
from shared.testing import Backing, eventually


@dataclass
class System:
    """Start it, kill parts of it, ask it."""

    backing: Backing
    folder: Path
    ports: dict[str, int] = field(default_factory=lambda: pick((*NAMES, "fcm", "smtp", "mail")))
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)

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
            **self.extra,
        }

    async def start_standins(self) -> None:
        certs = [sys.executable, "-m", "cli.standins.certs", str(self.certs), "--token-uri", f"{self.fcm}/token"]
        await asyncio.to_thread(subprocess.run, certs, check=True, capture_output=True)
        self._spawn("fcm", ["cli.standins.fcm", "--port", str(self.ports["fcm"]), "--certs", str(self.certs)], None)
        smtp = ["--smtp-port", str(self.ports["smtp"]), "--http-port", str(self.ports["mail"])]
        self._spawn("smtp", ["cli.standins.smtp", *smtp], None)
        await self._answers("fcm", f"{self.fcm}/stats", self.certs / "ca.pem")
        await self._answers("smtp", f"{self.mail}/stats")

    async def start(self, *services: str) -> None:
        for service in services:
            self._spawn(service, [service], self.environment(service))
        for service in services:
            await self._answers(service, f"http://127.0.0.1:{self.ports[service]}/health/ready")

    def kill(self, service: str) -> None:
        """kill -9, and wait for the end."""
        process = self.processes.pop(service)
        process.kill()
        process.wait()

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for name, process in self.processes.items():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError(f"{name} did not stop within 15 s") from None

    def api(self, role: str = "platform_admin") -> Gateway:
        key = self.backing.keys / "signing.pem"
        return Gateway(self.url, lambda: tokens.make(key, role))

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.backing.admin_url, row_factory=dict_row) as connection:
            return connection.execute(query, values).fetchall()

    def stats(self, standin: str) -> dict[str, Any]:
        with self._standin(standin) as client:
            return dict(client.get("/stats").raise_for_status().json())

    def faults(self, standin: str, **faults: Any) -> None:
        with self._standin(standin) as client:
            client.post("/faults", json=faults).raise_for_status()

    def _standin(self, standin: str) -> httpx.Client:
        if standin == "fcm":
            trusted = ssl.create_default_context(cafile=self.certs / "ca.pem")
            return httpx.Client(base_url=self.fcm, verify=trusted)
        return httpx.Client(base_url=self.mail)

    def _spawn(self, name: str, module: list[str], environment: dict[str, str] | None) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *module],
                env=environment or dict(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _answers(self, name: str, url: str, ca: Path | None = None) -> None:
        async def ready() -> str:
            ended = self.processes[name].poll()
            assert ended is None, (self.folder / f"{name}.log").read_text()[-2000:]
            try:
                await answers(url, ca)()
            except NotReady as state:
                return str(state)
            return ""

        await eventually(ready, lambda reason: reason == "", within=60)

    async def finished(self, task: str, within: float = 90) -> dict[str, Any]:
        """The result of a task; fails if it did not succeed."""
        with closing(self.api()) as api:
            ended = await eventually(
                lambda: asyncio.to_thread(api.task, task), lambda seen: seen.state in FINAL, within=within
            )
        assert ended.state == "succeeded", ended
        return dict(ended.result)

    def logs(self) -> str:
        """Everything that every process wrote."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

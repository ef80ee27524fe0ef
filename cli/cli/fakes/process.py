"""Run a fake as a process on free ports, for tests: with real sockets and TLS, and a test can kill it."""

import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from cli.fakes import certs

START_SECONDS = 20.0


@dataclass(frozen=True)
class Running:
    """A running fake. `port` speaks the provider's protocol; `web` is the base URL of the control routes."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path | None
    control: httpx.Client

    @property
    def web(self) -> str:
        return str(self.control.base_url).rstrip("/")

    def stats(self) -> dict[str, Any]:
        """Return its counters."""
        found: dict[str, Any] = self.control.get("/stats").raise_for_status().json()
        return found

    def received(self, limit: int = 50, **query: str) -> list[dict[str, Any]]:
        """Return what it received, newest first."""
        answer = self.control.get("/received", params={"limit": limit, **query}).raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def faults(self, **change: Any) -> dict[str, Any]:
        """Switch faults on or off; return all faults with their present values."""
        found: dict[str, Any] = self.control.post("/faults", json=change).raise_for_status().json()
        return found

    def clear(self) -> None:
        """Switch all faults off and forget what was received."""
        self.faults(reset=True)
        self.control.delete("/received").raise_for_status()


@contextmanager
def fcm(folder: Path) -> Iterator[Running]:
    """Run a fake FCM; its certificates and service account are made in `folder`."""
    port = free_port()
    web = f"https://127.0.0.1:{port}"
    certs.make(folder, token_uri=f"{web}/token")
    trust = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    command = ["cli.fakes.fcm", "--port", str(port), "--certs", str(folder)]
    with httpx.Client(base_url=web, verify=trust) as control, _running(command, control, port, folder) as running:
        yield running


@contextmanager
def smtp(*options: str, folder: Path | None = None) -> Iterator[Running]:
    """Run a fake mail server with command-line `options`; with a `folder` for certificates it offers STARTTLS."""
    port, web_port = free_port(), free_port()
    web = f"http://127.0.0.1:{web_port}"
    command = ["cli.fakes.smtp", "--smtp-port", str(port), "--http-port", str(web_port), *options]
    if folder is not None:
        certs.make(folder, token_uri="https://localhost/token")  # noqa: S106  # an address, not a secret
        command += ["--certs", str(folder)]
    with httpx.Client(base_url=web) as control, _running(command, control, port, folder) as running:
        yield running


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], control: httpx.Client, port: int, folder: Path | None) -> Iterator[Running]:
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(process, control)
        yield Running(process, port, folder, control)
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], control: httpx.Client) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"the fake ended with {process.returncode}")
        try:
            control.get("/stats").raise_for_status()
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return

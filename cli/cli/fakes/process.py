"""Stand-ins as processes of their own on free ports, for tests: real sockets, real TLS, and they can be killed."""

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
    """A stand-in that answers. `port` is where the protocol is spoken, `web` the base URL of the control routes."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path | None
    control: httpx.Client

    @property
    def web(self) -> str:
        return str(self.control.base_url).rstrip("/")

    def stats(self) -> dict[str, Any]:
        """Its counters."""
        found: dict[str, Any] = self.control.get("/stats").raise_for_status().json()
        return found

    def received(self, limit: int = 50, **query: str) -> list[dict[str, Any]]:
        """What came in, newest first."""
        answer = self.control.get("/received", params={"limit": limit, **query}).raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def faults(self, **change: Any) -> dict[str, Any]:
        """Switch faults on or off; all faults with their present values."""
        found: dict[str, Any] = self.control.post("/faults", json=change).raise_for_status().json()
        return found

    def clear(self) -> None:
        """No faults, nothing received."""
        self.faults(reset=True)
        self.control.delete("/received").raise_for_status()


@contextmanager
def fcm(folder: Path) -> Iterator[Running]:
    """An FCM stand-in; its certificates and service account are made in `folder`."""
    port = free_port()
    web = f"https://127.0.0.1:{port}"
    certs.make(folder, token_uri=f"{web}/token")
    trust = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    command = ["cli.fakes.fcm", "--port", str(port), "--certs", str(folder)]
    with httpx.Client(base_url=web, verify=trust) as control, _running(command, control, port, folder) as running:
        yield running


@contextmanager
def smtp(*options: str, folder: Path | None = None) -> Iterator[Running]:
    """A mail stand-in with further command-line `options`; with certificates in `folder` it offers STARTTLS."""
    port, web_port = free_port(), free_port()
    web = f"http://127.0.0.1:{web_port}"
    command = ["cli.fakes.smtp", "--smtp-port", str(port), "--http-port", str(web_port), *options]
    if folder is not None:
        certs.make(folder, token_uri="https://localhost/token")  # noqa: S106  # an address, not a secret
        command += ["--certs", str(folder)]
    with httpx.Client(base_url=web) as control, _running(command, control, port, folder) as running:
        yield running


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on now."""
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
            raise RuntimeError(f"the stand-in ended with {process.returncode}")
        try:
            control.get("/stats").raise_for_status()
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return

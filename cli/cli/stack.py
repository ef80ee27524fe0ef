"""The whole system on this machine, as data: which processes, with which environment, in which order."""

import base64
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cli.backing.choose import Backing, choose
from cli.backing.postgres import password
from cli.layout import Layout, write_private
from cli.local.ports import PREFERRED, pick_stable
from cli.local.specs import NotReady, Probe, Spec
from cli.services import NAMES
from cli.steps import service_url

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Stack:
    """Everything to start, and what `.local/stack.json` will say."""

    specs: tuple[Spec, ...]
    contract: dict[str, Any]


def plan(layout: Layout, say: Callable[[str], None]) -> Stack:
    """Choose ports, keys and backing services, and lay out the processes."""
    layout.folder.mkdir(parents=True, exist_ok=True)
    layout.folder.chmod(0o711)  # another user's database lies below; every file of ours is closed by itself
    layout.inside.mkdir(exist_ok=True)
    layout.inside.chmod(0o711)
    ports = pick_stable(layout.ports, PREFERRED)
    make_keys(layout.secrets)
    backing = choose(layout.inside, layout.elsewhere, layout.secrets, ports, say)
    urls = {name: f"http://127.0.0.1:{ports[name]}" for name in NAMES}
    fcm = f"https://localhost:{ports['fcm']}"
    common = _environment(layout, ports, backing, urls, fcm)
    standins = _standins(layout, ports, common, fcm)
    steps = _steps(common, backing, standins)
    services = [_service(name, ports, common, steps) for name in NAMES]
    contract = {
        "gateway": urls["gateway"],
        "amqp": backing.amqp,
        "postgres": backing.database,
        "fcm": fcm,
        "fcm_ca": str(layout.certs / "ca.pem"),
        "mail": {"smtp": f"127.0.0.1:{ports['smtp']}", "http": f"http://127.0.0.1:{ports['mail']}"},
        "rabbitmq_management": backing.management,
        "services": {name: [url] for name, url in urls.items()},
    }
    return Stack((*backing.specs, *standins, *steps, *services), contract)


def make_keys(folder: Path) -> None:
    """The installation's keys, made once."""
    if not (folder / "vault.key").exists():
        write_private(folder / "vault.key", base64.b64encode(os.urandom(32)))
    if not (folder / "signing.pem").exists():
        private = Ed25519PrivateKey.generate()
        pem = serialization.Encoding.PEM
        public = private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        write_private(folder / "verify.pem", public)
        plain = serialization.NoEncryption()
        write_private(
            folder / "signing.pem", private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        )


def _environment(
    layout: Layout, ports: dict[str, int], backing: Backing, urls: dict[str, str], fcm: str
) -> dict[str, str]:
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    logins = {
        f"{name.upper()}_DATABASE_URL": service_url(
            backing.database, name, password(layout.secrets, f"postgres-{name}")
        )
        for name in NAMES
    }
    return {
        **kept,
        **logins,
        **{f"{name.upper()}_URL": url for name, url in urls.items()},
        "AMQP_URL": backing.amqp,
        "MIGRATION_DATABASE_URL": backing.database,
        "DATABASE_URL": backing.database,
        "VAULT_KEY_FILE": str(layout.secrets / "vault.key"),
        "SIGNING_KEY_FILE": str(layout.secrets / "signing.pem"),
        "VERIFY_KEY_FILE": str(layout.secrets / "verify.pem"),
        "STANDINS": "1",
        "FCM_URL": fcm,
        "FCM_CA_FILE": str(layout.certs / "ca.pem"),
        "GOOGLE_APPLICATION_CREDENTIALS": str(layout.certs / "service-account.json"),
        "SMTP_URL": f"smtp://127.0.0.1:{ports['smtp']}",
        "PYTHONUNBUFFERED": "1",
    }


def _standins(layout: Layout, ports: dict[str, int], environment: dict[str, str], fcm: str) -> list[Spec]:
    certs = Spec(
        name="certificates",
        argv=_python("cli.standins.certs", str(layout.certs), "--token-uri", f"{fcm}/token"),
        env=environment,
    )
    push = Spec(
        name="fcm",
        argv=_python("cli.standins.fcm", "--port", str(ports["fcm"]), "--certs", str(layout.certs)),
        env=environment,
        ready=answers(f"{fcm}/stats", layout.certs / "ca.pem"),
        needs=frozenset({"certificates"}),
    )
    mail = Spec(
        name="smtp",
        argv=_python("cli.standins.smtp", "--smtp-port", str(ports["smtp"]), "--http-port", str(ports["mail"])),
        env=environment,
        ready=answers(f"http://127.0.0.1:{ports['mail']}/stats"),
    )
    return [certs, push, mail]


def _steps(environment: dict[str, str], backing: Backing, standins: list[Spec]) -> list[Spec]:
    migrate = Spec(
        name="migrate",
        argv=_python("cli", "migrate"),
        env=environment,
        needs=backing.names & {"postgres"},
    )
    topology = Spec(
        name="topology",
        argv=_python("cli", "topology"),
        env=environment,
        needs=(backing.names & {"rabbitmq"}) | {spec.name for spec in standins},
    )
    return [migrate, topology]


def _service(name: str, ports: dict[str, int], environment: dict[str, str], steps: list[Spec]) -> Spec:
    own = {
        "HOST": "127.0.0.1",
        "PORT": str(ports[name]),
        "DATABASE_URL": environment[f"{name.upper()}_DATABASE_URL"],
    }
    logins = {key for key in environment if key.endswith("_DATABASE_URL")}
    shared = {key: value for key, value in environment.items() if key not in logins}
    if name != "gateway":
        del shared["SIGNING_KEY_FILE"]
    return Spec(
        name=name,
        argv=_python(name),
        env=shared | own,
        ready=answers(f"http://127.0.0.1:{ports[name]}/health/ready"),
        needs=frozenset(step.name for step in steps),
        grace=12.0,
    )


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def answers(url: str, ca: Path | None = None) -> Probe:
    """A probe: ready when GET answers 2xx; else it says what came instead."""

    async def probe() -> None:
        try:
            verify: Any = httpx.create_ssl_context(verify=str(ca)) if ca else True
            async with httpx.AsyncClient(timeout=3, verify=verify) as client:
                response = await client.get(url)
        except (httpx.TransportError, OSError) as problem:
            raise NotReady(type(problem).__name__) from problem
        if response.is_error:
            raise NotReady(f"{response.status_code} {response.text[:300]}")

    return probe


def write_contract(layout: Layout, contract: dict[str, Any]) -> None:
    """Put `.local/stack.json` in place for others to read."""
    write_private(layout.stack, json.dumps(contract, indent=2).encode())

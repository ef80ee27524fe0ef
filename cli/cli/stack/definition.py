"""Define the whole system on this machine as data: its processes, their environment, their order."""

import json
import os
import sys
from dataclasses import dataclass
from typing import Any

from cli.backing.select import Backing
from cli.layout import Layout, write_private
from cli.operations.migrate import service_url
from cli.operations.service_names import NAMES
from cli.processes.keys import SIGNING, VAULT, VERIFY, make_keys, password
from cli.processes.probes import answers
from cli.processes.specs import Spec

DRAIN = 3.0
"""Seconds that a service has to finish its messages: all layers, one after another, must stop within 30 s."""

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Stack:
    """The processes to start, and the content of `.local/stack.json`."""

    specs: tuple[Spec, ...]
    contract: dict[str, Any]


def plan(layout: Layout, ports: dict[str, int], backing: Backing) -> Stack:
    """Define the processes on free `ports` and the chosen backing services; make the keys if they are missing."""
    make_keys(layout.secrets)
    urls = {name: f"http://127.0.0.1:{ports[name]}" for name in NAMES}
    fcm = f"https://localhost:{ports['fcm']}"
    common = _environment(layout, ports, backing, urls, fcm)
    fakes = _fakes(layout, ports, common, fcm)
    steps = _steps(common, backing, fakes)
    services = [_service(name, ports, common, steps) for name in NAMES]
    contract = {
        "gateway": urls["gateway"],
        "amqp": backing.amqp_url,
        "postgres": backing.database_url,
        "fcm": fcm,
        "fcm_ca": str(layout.certs / "ca.pem"),
        "mail": {"smtp": f"127.0.0.1:{ports['smtp']}", "http": f"http://127.0.0.1:{ports['mail']}"},
        "rabbitmq_management": backing.management_url,
        "rabbitmq_metrics": backing.broker_metrics_url,
        "services": {name: [url] for name, url in urls.items()},
        "operations": {name: [f"http://127.0.0.1:{ports[f'{name}-operations']}"] for name in NAMES},
    }
    return Stack((*backing.specs, *fakes, *steps, *services), contract)


def _environment(
    layout: Layout, ports: dict[str, int], backing: Backing, urls: dict[str, str], fcm: str
) -> dict[str, str]:
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    logins = {
        f"{name.upper()}_DATABASE_URL": service_url(
            backing.database_url, name, password(layout.secrets, f"postgres-{name}")
        )
        for name in NAMES
    }
    return {
        **kept,
        **logins,
        **{f"{name.upper()}_URL": url for name, url in urls.items()},
        "AMQP_URL": backing.amqp_url,
        "MIGRATION_DATABASE_URL": backing.database_url,
        "DATABASE_URL": backing.database_url,
        "VAULT_KEY_FILE": str(layout.secrets / VAULT),
        "SIGNING_KEY_FILE": str(layout.secrets / SIGNING),
        "VERIFY_KEY_FILE": str(layout.secrets / VERIFY),
        "STORAGE_URL": (layout.data / "blobs").as_uri(),
        "STANDINS": "1",
        "FCM_URL": fcm,
        "FCM_CA_FILE": str(layout.certs / "ca.pem"),
        "GOOGLE_APPLICATION_CREDENTIALS": str(layout.certs / "service-account.json"),
        "SMTP_URL": f"smtp://127.0.0.1:{ports['smtp']}",
        "PYTHONUNBUFFERED": "1",
        "DRAIN": f"{DRAIN:g}",
        "LAST_ANSWERS": "0",
    }


def _fakes(layout: Layout, ports: dict[str, int], environment: dict[str, str], fcm: str) -> list[Spec]:
    certs = Spec(
        name="certificates",
        argv=_python("cli.fakes.certs", str(layout.certs), "--token-uri", f"{fcm}/token"),
        env=environment,
    )
    push = Spec(
        name="fcm",
        argv=_python("cli.fakes.fcm", "--port", str(ports["fcm"]), "--certs", str(layout.certs)),
        env=environment,
        ready=answers(f"{fcm}/stats", layout.certs / "ca.pem"),
        needs=frozenset({"certificates"}),
        grace=3.0,
    )
    mail = Spec(
        name="smtp",
        argv=_python("cli.fakes.smtp", "--smtp-port", str(ports["smtp"]), "--http-port", str(ports["mail"])),
        env=environment,
        ready=answers(f"http://127.0.0.1:{ports['mail']}/stats"),
        grace=3.0,
    )
    return [certs, push, mail]


def _names(backing: Backing) -> frozenset[str]:
    return frozenset(spec.name for spec in backing.specs)


def _steps(environment: dict[str, str], backing: Backing, fakes: list[Spec]) -> list[Spec]:
    migrate = Spec(
        name="migrate",
        argv=_python("cli", "migrate"),
        env=environment,
        needs=_names(backing) & {"postgres"},
    )
    topology = Spec(
        name="topology",
        argv=_python("cli.operations.topology"),
        env=environment,
        needs=(_names(backing) & {"rabbitmq"}) | {spec.name for spec in fakes},
    )
    return [migrate, topology]


def _service(name: str, ports: dict[str, int], environment: dict[str, str], steps: list[Spec]) -> Spec:
    own = {
        "HOST": "127.0.0.1",
        "PORT": str(ports[name]),
        "OPERATIONS_PORT": str(ports[f"{name}-operations"]),
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
        grace=DRAIN + 7.0,
    )


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def write_contract(layout: Layout, contract: dict[str, Any]) -> None:
    """Write `.local/stack.json`, which tools and people read."""
    write_private(layout.stack, json.dumps(contract, indent=2).encode())

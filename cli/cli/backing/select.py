"""Select RabbitMQ and PostgreSQL for the stack.

In this order: URLs in the environment, installed programs (as private nodes), a container engine, Debian's packages
(then as private nodes).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.backing import container_engine, debian_packages, postgres, rabbitmq
from cli.backing.server_secrets import write_server_secrets
from cli.layout import Layout
from cli.processes.keys import password
from cli.processes.probes import broker, database
from cli.processes.specs import Spec

PORTS = (*rabbitmq.PORTS, "postgres")
PACKAGES = {"rabbitmq": "rabbitmq-server", "postgres": "postgresql"}


@dataclass(frozen=True)
class Backing:
    """The addresses of both, and the processes to run for them.

    The login of `database_url` is a superuser, or may at least create roles and schemas. `management_url` is empty when
    only AMQP_URL was given, `broker_metrics_url` when the broker is not our own process. `databases` is the folder of
    our own server's data.
    """

    amqp_url: str
    management_url: str
    broker_metrics_url: str
    database_url: str
    specs: tuple[Spec, ...]
    databases: Path | None


def missing(given: Mapping[str, str]) -> list[str]:
    """Return which of the two have neither a URL nor a program."""
    absent = []
    if not given.get("AMQP_URL") and not rabbitmq.find():
        absent.append("rabbitmq")
    if not given.get("DATABASE_URL") and not postgres.find():
        absent.append("postgres")
    return absent


async def installation(absent: list[str]) -> Spec | None:
    """Return the step that installs `absent`; None when nothing is absent or a container engine will run it."""
    if not absent or await container_engine.answers():
        return None
    return await debian_packages.spec([PACKAGES[name] for name in absent])


def choose(layout: Layout, ports: dict[str, int], given: Mapping[str, str]) -> Backing:
    """Choose processes and addresses by what is on the machine now; `ports` has one for each of PORTS."""
    secrets = {name: password(layout.secrets, name) for name in PACKAGES}
    variables = _compose_variables(ports, layout.containers)
    node = rabbitmq.node(ports, secrets["rabbitmq"])
    amqp, dsn = node.amqp_url, postgres.url(ports["postgres"], secrets["postgres"])
    specs: list[Spec] = []
    databases: Path | None = None
    if not given.get("AMQP_URL"):
        script = rabbitmq.find()
        if script:
            specs += rabbitmq.specs(script, layout.inside / "rabbitmq", ports, secrets["rabbitmq"])
        else:
            write_server_secrets(layout.containers, secrets["rabbitmq"], secrets["postgres"])
            specs.append(container_engine.spec("rabbitmq", layout.folder, broker(amqp), variables))
    if not given.get("DATABASE_URL"):
        installed = postgres.find()
        if installed:
            user = postgres.server_user()
            databases = postgres.home(layout, user)
            folder, secret = databases / "postgres", secrets["postgres"]
            specs += postgres.specs(installed, folder, ports["postgres"], secret, user)
        else:
            write_server_secrets(layout.containers, secrets["rabbitmq"], secrets["postgres"])
            specs.append(container_engine.spec("postgres", layout.folder, database(dsn), variables))
    return Backing(
        amqp_url=given.get("AMQP_URL", amqp),
        management_url=given.get("RABBITMQ_MANAGEMENT_URL", "") if "AMQP_URL" in given else node.management_url,
        broker_metrics_url=node.metrics_url if "rabbitmq" in {spec.name for spec in specs} else "",
        database_url=given.get("DATABASE_URL", dsn),
        specs=tuple(specs),
        databases=databases,
    )


def given() -> dict[str, str]:
    """Return the URLs that the environment gives."""
    names = ("AMQP_URL", "DATABASE_URL", "RABBITMQ_MANAGEMENT_URL")
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def _compose_variables(ports: dict[str, int], folder: Path) -> dict[str, str]:
    """Return the variables that `servers.yaml` reads; `folder` has their passwords."""
    return {
        "AMQP_PORT": str(ports["amqp"]),
        "RABBITMQ_MANAGEMENT_PORT": str(ports["rabbitmq_management"]),
        "POSTGRES_PORT": str(ports["postgres"]),
        "SERVER_SECRETS": str(folder),
    }

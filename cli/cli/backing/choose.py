"""Which RabbitMQ and PostgreSQL a stack uses, in this order: given, private, installed first."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cli.backing.find import database_user, programs, reachable
from cli.backing.install import install
from cli.backing.postgres import Postgres, password
from cli.backing.rabbitmq import RabbitMQ
from cli.local.specs import Spec
from shared.errors import Refused

GIVEN = ("AMQP_URL", "RABBITMQ_MANAGEMENT_URL", "DATABASE_URL")


@dataclass(frozen=True, slots=True)
class Backing:
    """URLs, and the processes to start for them (none where they were given)."""

    amqp: str
    management: str
    database: str
    specs: tuple[Spec, ...] = field(default=())

    @property
    def names(self) -> frozenset[str]:
        """What services have to wait for."""
        return frozenset(spec.name for spec in self.specs)


def choose(inside: Path, elsewhere: Path, secrets: Path, ports: dict[str, int], say: Callable[[str], None]) -> Backing:
    """Prepare what a stack stands on. `inside` is its own folder, `elsewhere` where others can reach it."""
    given = {name: os.environ.get(name, "") for name in GIVEN}
    if all(given.values()):
        return Backing(given["AMQP_URL"], given["RABBITMQ_MANAGEMENT_URL"], given["DATABASE_URL"])
    if any(given.values()):
        absent = ", ".join(name for name, value in given.items() if not value)
        raise Refused(f"{absent} must be given too (or none of {', '.join(GIVEN)}, for private servers)")
    found = programs()
    if found.missing:
        install(found.missing)
        found = programs()
    if found.rabbitmq is None or found.postgres is None:
        raise Refused(f"{' and '.join(found.missing)} are installed but their programs are not where they belong")
    user = database_user()
    folder = inside
    if user and not reachable(inside / "postgres", user):
        folder = elsewhere
        say(f"PostgreSQL cannot run as root and {user} cannot reach {inside}: its data goes to {elsewhere}")
    broker = RabbitMQ(found.rabbitmq, inside / "rabbitmq", ports, password(secrets, "rabbitmq"))
    database = Postgres(found.postgres, folder / "postgres", ports["postgres"], password(secrets, "postgres"), user)
    broker.prepare()
    database.prepare()
    return Backing(broker.url, broker.management, database.url, (*broker.specs(), database.spec()))

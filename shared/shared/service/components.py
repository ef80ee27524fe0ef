"""The components that the parts of a service share, made before anything runs."""

import asyncio
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from shared.consumers.pause_switch import PauseSwitch
from shared.consumers.quarantine import ExclusiveSection
from shared.errors import Refused
from shared.http.tokens import Verifier
from shared.messaging import topology
from shared.messaging.publisher import Publisher
from shared.messaging.subscriber import Subscriber
from shared.persistence.database import Database
from shared.persistence.encryption import SubjectKeyStore, read_master_key
from shared.service.pool_metrics import export_pools
from shared.settings import ServiceSettings, read_file
from shared.telemetry import Metrics, export_process
from shared.transactions.unit_of_work import UnitOfWorkFactory

if TYPE_CHECKING:
    from shared.service.tracing import Tracing

TRACING_MODULE = "shared.service.tracing"
"""Loaded only where spans are exported: its libraries are an extra, and importing them takes time and memory."""


@dataclass(frozen=True, slots=True)
class Components:
    """One service's connections, keys, metrics and switches. Nothing is connected yet."""

    name: str
    settings: ServiceSettings
    metrics: Metrics
    database: Database
    transactions: UnitOfWorkFactory
    vault: SubjectKeyStore
    verifier: Verifier
    publisher: Publisher
    subscriber: Subscriber
    pause_switch: PauseSwitch
    """Holds all consumers while the database or the broker is unavailable."""
    quarantine: ExclusiveSection
    concurrency_limit: asyncio.Semaphore
    """Limits concurrent handlers to the number of database connections, because each uses one."""
    tracing: "Tracing | None"
    """None unless a collector of traces is set."""

    @classmethod
    def of(cls, name: str, settings: ServiceSettings, *, creates_keys: bool) -> "Components":
        """Make the components; `creates_keys`: whether this service creates keys for what it encrypts."""
        url, metrics = settings.amqp_url.get_secret_value(), Metrics()
        export_process(metrics.registry, name)
        tracing = _tracing(name, settings.otel_exporter_otlp_endpoint)
        database = Database(
            settings.database_url.get_secret_value(),
            name,
            workers=settings.database_pool,
            requests=settings.database_request_pool,
        )
        export_pools(metrics.registry, database)
        return cls(
            name=name,
            settings=settings,
            metrics=metrics,
            database=database,
            transactions=UnitOfWorkFactory(database, name),
            vault=SubjectKeyStore(database, read_master_key(settings.vault_key_file), creates=creates_keys),
            verifier=Verifier(read_file("VERIFY_KEY_FILE", settings.verify_key_file)),
            publisher=Publisher(url, name, topology.LOGS, settings.publish_timeout, metrics.blocked.set),
            subscriber=Subscriber(url, name, drain=settings.drain, around=[tracing.messages] if tracing else []),
            pause_switch=PauseSwitch(database.check_room, metrics),
            quarantine=ExclusiveSection(),
            concurrency_limit=asyncio.Semaphore(settings.database_pool),
            tracing=tracing,
        )


def _tracing(service: str, endpoint: str | None) -> "Tracing | None":
    """Export spans to a collector; raises Refused if the libraries for it are not installed."""
    if endpoint is None:
        return None
    try:
        found: Tracing = import_module(TRACING_MODULE).Tracing.of(service, endpoint)
    except ModuleNotFoundError as problem:
        raise Refused(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, and {problem.name} is not installed: "
            "pip install --require-hashes -r requirements/tracing.txt, or unset it"
        ) from problem
    return found

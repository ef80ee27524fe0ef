"""Settings of a service, read from the environment once, when the process starts."""

import datetime as dt
import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal, Self

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

from shared.broker_address import each_host
from shared.errors import Refused

SECRETS_DIR = "/run/secrets"
"""The folders of secrets, unless the environment's SECRETS_DIR names others, with colons between."""

LOG_DAYS = 90
"""How long the log keeps an event, at least."""


def read_file(setting: str, path: Path) -> bytes:
    """Read the file that a setting names; raises Refused, which names the setting."""
    try:
        return path.read_bytes()
    except OSError as problem:
        raise Refused(f"{setting} {path} cannot be read: {problem.strerror}") from problem


def secret_folders() -> list[Path]:
    """Return the folders of secrets that exist, in the order in which a later one wins."""
    named = os.environ.get("SECRETS_DIR") or SECRETS_DIR
    return [folder for each in named.split(os.pathsep) if (folder := Path(each)).is_dir()]


class FromSecrets(BaseSettings):
    """Settings from the environment, else from files of a folder of secrets, each named as its setting.

    What stands in a file is seen by no one who can only list processes or inspect containers.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # no .env is read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # its folder is not known yet
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments first, then the environment, then the files."""
        folders = secret_folders()
        files = [SecretsSettingsSource(settings_cls, secrets_dir=[*folders])] if folders else []
        return init_settings, env_settings, *files


class ServiceSettings(FromSecrets):
    """Settings of every service. Times are in seconds."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    host: str = Field(default="127.0.0.1", description="the address that it listens on")
    port: int = Field(default=8000, description="the API")
    operations_port: int | None = Field(
        default=None, description="metrics and status are answered on this port only; without it on the service's port"
    )
    listen_descriptor: int | None = Field(
        default=None,
        ge=3,
        description="a listening socket that the process inherits, as from systemd; HOST and PORT are not bound then",
    )
    environment: Literal["development", "production"] = Field(
        default="development", description="in production nothing starts that is for development only"
    )
    standins: bool = Field(default=False, description="whether providers may be fakes in production, too")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        default="INFO", description="the least severe lines that are written"
    )
    log_format: Literal["json", "console"] = Field(default="json", description="one object a line, or for people")

    otel_exporter_otlp_endpoint: str | None = Field(
        default=None,
        description="a collector of traces, as http://collector:4318; needs requirements/tracing.txt. OpenTelemetry's "
        "other variables hold, too",
    )

    database_url: SecretStr = Field(
        description="postgresql://user:password@host:5432/database; several hosts with commas between, and then "
        "?target_session_attrs=read-write"
    )
    amqp_url: SecretStr = Field(
        description="amqp://user:password@host:5672/vhost; several hosts of a cluster with commas between "
        "(a:5672,b:5672,c:5672): each connection is made to one that answers"
    )
    database_pool: int = Field(default=8, ge=2, description="connections for handlers")
    database_request_pool: int = Field(default=8, ge=1, description="connections for HTTP requests")

    prefetch: int = Field(default=50, ge=1, description="unacknowledged messages per reaction queue")
    publish_timeout: float = Field(default=8.0, description="seconds after which an unconfirmed message is sent again")
    relay_batch: int = Field(default=200, description="rows of the outbox that are published together")
    relay_lease: float = Field(default=10.0, description="seconds after which another process publishes them")
    relay_sweep: float = Field(default=1.0, description="the longest pause between two looks into the outbox")
    retry_tiers: tuple[int, ...] = Field(
        default=(5, 60, 600), description="seconds before each further attempt; after the last, dead letters"
    )
    heartbeat: float = Field(default=5.0, description="seconds between two heartbeats")
    drain: float = Field(default=20.0, description="seconds in which received messages are finished at a stop")
    last_answers: float = Field(
        default=4.0,
        ge=0,
        description="seconds in which a stopping process still answers on open connections, each for the last time",
    )
    inbox_days: int = Field(
        default=120, ge=1, description="how long a handled message is known, so that it is not again"
    )
    retry_days: int = Field(default=90, ge=1, description="how long after its first failure a message can be retried")
    reconcile: float = Field(default=60.0, description="seconds between two counts of the invariants")

    connections: int = Field(
        default=10_000, ge=16, description="HTTP connections at once; fewer if descriptors are few"
    )
    connections_per_address: int = Field(default=2_000, ge=1, description="of which one client may hold so many")
    header_seconds: float = Field(default=10, gt=0, description="in which the head of a request must be complete")
    keep_alive_seconds: int = Field(
        default=75, ge=1, description="that a connection may wait for another request: longer than proxies keep theirs"
    )
    body_seconds: float = Field(default=20, gt=0, description="in which `body_rate` bytes a second must come of a body")
    body_rate: int = Field(default=256, ge=0, description="bytes a second")
    forwarded_allow_ips: str = Field(
        default="", description="addresses or networks of reverse proxies, whose X-Forwarded-For is believed"
    )

    vault_key_file: Path = Field(description="the key that wraps the keys of all people: 32 bytes, base64")
    verify_key_file: Path = Field(description="public Ed25519 key of access tokens, PEM")

    def inbox_reaches_to(self) -> dt.datetime:
        """Return the time of the oldest event of which the inbox surely knows whether it was handled.

        A day less than INBOX_DAYS, because a message waits in its queue before the inbox is asked.
        """
        return dt.datetime.now(dt.UTC) - dt.timedelta(days=self.inbox_days - 1)

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of the reverse proxies."""
        return tuple(ip_network(each.strip()) for each in self.forwarded_allow_ips.split(",") if each.strip())

    @model_validator(mode="after")
    def inbox_outlasts_what_can_come_again(self) -> Self:
        """Refuse an inbox that forgets a message which can still be retried, or replayed from the log."""
        longest = max(self.retry_days, LOG_DAYS)
        if self.inbox_days <= longest:
            msg = f"INBOX_DAYS must be more than {longest}: messages can be retried or replayed for so long"
            raise ValueError(msg)
        return self

    @field_validator("database_url")
    @classmethod
    def only_postgresql(cls, given: SecretStr) -> SecretStr:
        """Refuse what is no address of a PostgreSQL server; the error must not quote it."""
        msg = "write postgresql://user:password@host/database"
        if not given.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError(msg)
        try:
            conninfo_to_dict(given.get_secret_value())
        except ProgrammingError:
            raise ValueError(msg) from None
        return given

    @field_validator("amqp_url")
    @classmethod
    def only_amqp(cls, given: SecretStr) -> SecretStr:
        """Refuse what is no address of a broker; the error must not quote it."""
        try:
            each_host(given.get_secret_value())
        except ValueError:
            msg = "write amqp://user:password@host/vhost, or amqps:// for TLS; several hosts with commas between"
            raise ValueError(msg) from None
        return given

    @field_validator("forwarded_allow_ips")
    @classmethod
    def only_networks(cls, given: str) -> str:
        """Refuse names and `*`, which would believe every client."""
        for each in given.split(","):
            if each.strip():
                try:
                    ip_network(each.strip())
                except ValueError as problem:
                    msg = f"FORWARDED_ALLOW_IPS: {problem}; list addresses or networks, such as 10.0.0.0/24"
                    raise ValueError(msg) from problem
        return given


class StorageSettings(BaseSettings):
    """For services that keep blobs. All services that share blobs have the same address."""

    storage_url: str = Field(description="file:///folder, s3://bucket/prefix?region=… or gs://bucket/prefix")

"""Settings of a service, read from the environment once, when the process starts."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import Refused

LOG_DAYS = 90
"""How long the log keeps an event, at least."""


def read_file(setting: str, path: Path) -> bytes:
    """Read the file that a setting names; raises Refused, which names the setting."""
    try:
        return path.read_bytes()
    except OSError as problem:
        raise Refused(f"{setting} {path} cannot be read: {problem.strerror}") from problem


class ServiceSettings(BaseSettings):
    """Settings of every service. Times are in seconds."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int = 8000
    operations_port: int | None = Field(
        default=None, description="metrics and status are answered on this port only; without it on the service's port"
    )
    environment: Literal["development", "production"] = "development"
    standins: bool = False
    log_level: str = "INFO"
    log_format: Literal["json", "console"] = "json"

    database_url: SecretStr
    amqp_url: SecretStr
    database_pool: int = Field(default=8, ge=2, description="connections for handlers")
    database_request_pool: int = Field(default=8, ge=1, description="connections for HTTP requests")

    prefetch: int = Field(default=50, ge=1, description="unacknowledged messages per reaction queue")
    publish_timeout: float = 8.0
    relay_batch: int = 200
    relay_lease: float = 10.0
    relay_sweep: float = 1.0
    retry_tiers: tuple[int, ...] = (5, 60, 600)
    heartbeat: float = 5.0
    drain: float = 20.0
    inbox_days: int = Field(
        default=120, ge=1, description="how long a handled message is known, so that it is not again"
    )
    retry_days: int = Field(default=90, ge=1, description="how long after its first failure a message can be retried")
    reconcile: float = 60.0

    connections: int = Field(
        default=10_000, ge=16, description="HTTP connections at once; fewer if descriptors are few"
    )
    connections_per_address: int = Field(default=2_000, ge=1)
    header_seconds: float = Field(default=10, gt=0, description="in which the head of a request must be complete")
    body_seconds: float = Field(default=20, gt=0, description="in which `body_rate` bytes a second must come of a body")
    body_rate: int = Field(default=256, ge=0)
    forwarded_allow_ips: str = Field(
        default="", description="addresses or networks of reverse proxies, whose X-Forwarded-For is believed"
    )

    vault_key_file: Path
    verify_key_file: Path

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

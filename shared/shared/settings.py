"""Settings of a service, read from the environment once, when the process starts."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import Refused


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
    reconcile: float = 60.0

    vault_key_file: Path
    verify_key_file: Path


class StorageSettings(BaseSettings):
    """For services that keep blobs. All services that share blobs have the same address."""

    storage_url: str = Field(description="file:///folder, s3://bucket/prefix?region=… or gs://bucket/prefix")

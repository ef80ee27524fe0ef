"""The gateway's settings, read from its environment."""

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings, StorageSettings


class Settings(ServiceSettings, StorageSettings):
    """Owners' addresses, keys and limits."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    port: int = Field(default=8000, description="the API")
    signing_key_file: Path = Field(description="private Ed25519 key of access tokens, PEM; no other service has it")
    notifier_url: str = Field(default="http://127.0.0.1:8001", description="where the notifier answers")
    files_url: str = Field(default="http://127.0.0.1:8002", description="where the files service answers")
    reports_url: str = Field(default="http://127.0.0.1:8003", description="where the reports service answers")
    scheduler_url: str = Field(default="http://127.0.0.1:8004", description="where the scheduler answers")
    import_limit_bytes: int = Field(default=100_000_000, description="bytes of one roster")
    import_ending_share: float = Field(
        default=0.1, ge=0, le=1, description="share of a school's people that an import may end without a confirmation"
    )
    import_ending_least: int = Field(default=20, ge=0, description="so many may end in any case")
    body_limit_bytes: int = Field(default=1_000_000, description="bytes of any other request")
    file_limit_bytes: int = Field(default=600_000_000, ge=1, description="bytes of one uploaded file")
    school_space_bytes: int = Field(default=50_000_000_000, ge=1, description="bytes of all files of one school")
    upload_lease: float = Field(default=600, gt=0, description="seconds; storing one file may take half of it")

    cors_origins: str = Field(
        default="", description="origins whose pages may call the API from a browser, with commas between; empty: none"
    )

    public_origin: str = Field(
        default="", description="where browsers reach the gateway, such as https://connect.example.org"
    )
    prometheus_url: str = Field(
        default="", description="a Prometheus that scrapes the services, for the plots of the overview; empty: none"
    )
    console_hours: float = Field(default=12, gt=0, description="how long a sign-in to the console is valid")

    access_minutes: float = Field(default=15, gt=0, description="how long an access token is valid")
    refresh_days: float = Field(default=30, gt=0, description="how long a session goes on without being used")
    invitation_days: float = Field(default=7, gt=0, description="how long an invitation can be accepted")
    sign_in_free_failures: int = Field(default=5, ge=1, description="wrong passwords before a name has to wait")
    sign_in_longest_wait: float = Field(default=300, gt=0, description="seconds that it waits at most")

    fresh_minutes: float = Field(default=15, gt=0, description="how old a sign-in may be for what gives lasting access")
    key_days: float = Field(default=365, gt=0, description="how long an API key is valid that names no end")

    rate_refused: float = Field(default=20, ge=0, description="refused requests a second of one caller or address")
    burst_refused: int = Field(default=2_000, ge=1, description="so many at once")
    rate_unknown_key: float = Field(default=5, ge=0, description="unknown API keys a second from one address")
    burst_unknown_key: int = Field(default=100, ge=1, description="so many at once")
    rate_caller: float = Field(default=200, ge=0, description="requests a second of one person or key; 0: no limit")
    burst_caller: int = Field(default=2_000, ge=1, description="so many at once")
    rate_school: float = Field(default=1_000, ge=0, description="requests a second of one school's people and keys")
    burst_school: int = Field(default=10_000, ge=1, description="so many at once")
    rate_address: float = Field(default=5, ge=0, description="sign-ins a second from one address")
    burst_address: int = Field(default=100, ge=1, description="so many at once")
    rate_link: float = Field(default=50, ge=0, description="downloads by link a second from one address")
    burst_link: int = Field(default=1_000, ge=1, description="so many at once")
    download_minutes: float = Field(default=5, gt=0, description="how long a link to a download can be used")

    result_days: int = Field(default=30, ge=1, description="how long a task keeps its result and error after its end")
    task_days: int = Field(default=180, ge=1, description="how long a task is kept after its end")
    failure_days: int = Field(default=400, ge=1, description="how long a closed failure is kept; an open one always")
    audit_days: int = Field(default=1_100, ge=366, description="how long an act is kept in the audit, a year at least")

    streams_person: int = Field(default=20, ge=1, description="live streams of one person or key at once")
    streams_school: int = Field(default=5_000, ge=1, description="live streams of one school's people at once")

    firebase_project: str = Field(default="", description="the project whose ID tokens are accepted; empty: none")
    firebase_certificates_url: str = Field(
        default="https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com",
        description="the certificates that sign ID tokens",
    )
    firebase_auth_emulator_host: str = Field(default="", description="Firebase's emulator, in development only")

    @property
    def origins(self) -> list[str]:
        """The origins of `cors_origins`."""
        return [each.strip().rstrip("/") for each in self.cors_origins.split(",") if each.strip()]

    @property
    def origin(self) -> str:
        """Where browsers reach the gateway; a development's own port unless it is set."""
        if self.public_origin or self.environment == "production":
            return self.public_origin.rstrip("/")
        return f"http://127.0.0.1:{self.port}"

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies are for HTTPS only: always, except where browsers reach the gateway on their own machine."""
        return not self.origin.startswith("http://")

    @model_validator(mode="after")
    def origin_is_one(self) -> Self:
        """Refuse an address with a path, and HTTP to another machine: its cookie could be read on the way."""
        parts = urlsplit(self.public_origin)
        if self.public_origin and (not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment):
            msg = "PUBLIC_ORIGIN is a scheme and a host only, such as https://connect.example.org"
            raise ValueError(msg)
        loopback = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if self.public_origin and parts.scheme != "https" and not (parts.scheme == "http" and loopback):
            msg = "PUBLIC_ORIGIN begins with https://; only localhost and 127.0.0.1 may be http://"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def failures_are_kept_longest(self) -> Self:
        """Refuse to forget a failure before its task, or a task before its result."""
        if not self.result_days <= self.task_days <= self.failure_days:
            msg = "RESULT_DAYS, TASK_DAYS and FAILURE_DAYS must not decrease in this order"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def no_emulator_in_production(self) -> Self:
        """Refuse the emulator beside real data: its tokens are unsigned."""
        if self.firebase_auth_emulator_host and self.environment != "development":
            msg = "FIREBASE_AUTH_EMULATOR_HOST is set outside development: unset it"
            raise ValueError(msg)
        return self

"""The notifier's settings from its environment."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Providers and limits; times are in seconds."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    port: int = 8001
    fcm_url: str = "https://fcm.googleapis.com"
    fcm_ca_file: Path | None = None
    google_application_credentials: Path | None = None
    smtp_url: str = ""
    mail_from: str = "SchoolConnect <no-reply@example.org>"
    push_concurrency: int = Field(default=200, ge=1)
    mail_connections: int = Field(default=8, ge=1)
    push_rate: float | None = Field(default=None, gt=0, description="maximum of pushes a second, for each process")
    mail_rate: float | None = Field(default=None, gt=0, description="maximum of mails a second, for each process")
    claim: int = Field(default=500, ge=1, le=5000, description="deliveries that one permit claims")
    delivery_lease: float = Field(
        default=30.0, ge=3, description="seconds after which the deliveries of a dead process are sent by another"
    )
    notification_days: int = Field(default=400, ge=1, description="how long a notification is kept after its end")
    directory_patience: float = 60.0
    public_url: str = "https://schoolconnect.example.org"

"""The notifier's settings from its environment."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Providers and limits; times are in seconds."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    port: int = Field(default=8001, description="the API")
    fcm_url: str = Field(default="https://fcm.googleapis.com", description="where pushes are sent to")
    fcm_ca_file: Path | None = Field(default=None, description="authority of its certificate, for a fake")
    google_application_credentials: Path | None = Field(
        default=None, description="file of the Firebase service account that may send pushes"
    )
    smtp_url: str = Field(default="", description="smtp://user:password@host:587 or smtps://…; it is a secret")
    mail_from: str = Field(default="SchoolConnect <no-reply@example.org>", description="sender of all mails")
    push_concurrency: int = Field(default=200, ge=1, description="pushes in progress at once")
    mail_connections: int = Field(default=8, ge=1, description="connections to the mail server")
    push_rate: float | None = Field(default=None, gt=0, description="maximum of pushes a second, for each process")
    mail_rate: float | None = Field(default=None, gt=0, description="maximum of mails a second, for each process")
    claim: int = Field(default=500, ge=1, le=5000, description="deliveries that one permit claims")
    delivery_lease: float = Field(
        default=30.0, ge=3, description="seconds after which the deliveries of a dead process are sent by another"
    )
    notification_days: int = Field(default=400, ge=1, description="how long a notification is kept after its end")
    directory_patience: float = Field(
        default=60.0, description="how long a send waits for the people that its requester had seen"
    )
    public_url: str = Field(
        default="https://schoolconnect.example.org", description="the gateway's address in links of mails"
    )

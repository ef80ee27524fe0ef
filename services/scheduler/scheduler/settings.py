"""Settings of the scheduler."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of the scheduler. Times are in seconds, unless the name has another unit."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    port: int = Field(default=8004, description="the API")
    publish_timeout: float = Field(default=3.5, description="seconds after which an unconfirmed message is sent again")
    relay_lease: float = Field(default=4.0, description="seconds after which another process publishes them")
    """Shorter than in other services: messages of a killed replica are published by another within the promised 5 s. A
    message that is published twice has the same id."""
    claim: int = Field(default=500, ge=1, le=5000, description="single runs per commit")
    look_every: float = Field(default=0.2, gt=0, description="the longest pause between two looks for due schedules")
    maintain_every: float = Field(default=15.0, gt=0, description="pause between two checks of the system schedules")
    monthly_window: int = Field(
        default=3600,
        ge=1,
        le=64_800,
        description="seconds from 05:00 of a school's clock over which the starts of monthly reports are spread",
    )
    keep_days: int = Field(default=400, ge=1, description="days after which ended schedules are deleted")

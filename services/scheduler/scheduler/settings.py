"""What the scheduler reads from its environment."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """How it claims, how often it looks, how long it remembers; times in seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    port: int = 8004
    publish_timeout: float = 3.5
    relay_lease: float = 4.0
    """Shorter than elsewhere: what a killed replica was about to publish is on its way again within the promised 5 s.
    Published twice, it has the same id."""
    claim: int = Field(default=500, ge=1, le=5000, description="single runs released by one commit")
    look_every: float = Field(default=0.2, gt=0, description="the longest sleep: what another replica was told is seen")
    maintain_every: float = Field(default=15.0, gt=0, description="the system's own schedules are looked after")
    keep_days: int = Field(default=400, ge=1, description="schedules that have ended are forgotten after")

"""What the reports service reads from its environment."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings, StorageSettings


class Settings(ServiceSettings, StorageSettings):
    """Limits; times are in seconds."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    port: int = Field(default=8003, description="the API")
    smallest_count: int = Field(
        default=10, ge=3, description="smaller counts, zero excepted, are not shown in a report that is to be shared"
    )
    facts_patience: float = Field(
        default=60, gt=0, description="how long a report waits for the facts that its requester had seen"
    )

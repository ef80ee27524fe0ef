"""What the files service reads from its environment."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings, StorageSettings


class Settings(ServiceSettings, StorageSettings):
    """When a person has to look at a reading."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    port: int = Field(default=8002, description="the API")
    review_below: float = Field(default=0.8, ge=0, le=1, description="fields with less confidence are reviewed")
    reading_lease: float = Field(
        default=30.0, ge=6, description="seconds after which the file of a dead process is read by another"
    )
    clamd_address: str = Field(
        default="",
        pattern=r"^$|^\S+:\d{1,5}$",
        description="host:port of a ClamAV daemon that looks at every file before it is opened; empty: none",
    )
    keep_deleted_days: int = Field(default=30, ge=1, description="days for which a deleted file can be restored")

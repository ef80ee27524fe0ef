"""What the gateway reads from its environment."""

from pathlib import Path

from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Owners' addresses, keys and limits."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    port: int = 8000
    signing_key_file: Path
    notifier_url: str = "http://127.0.0.1:8001"
    files_url: str = "http://127.0.0.1:8002"
    reports_url: str = "http://127.0.0.1:8003"
    scheduler_url: str = "http://127.0.0.1:8004"
    import_limit_bytes: int = 100_000_000
    body_limit_bytes: int = 1_000_000

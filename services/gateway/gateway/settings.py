"""What the gateway reads from its environment, beside what every service reads."""

from pathlib import Path

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """URLs name the owners that reads and decisions are forwarded to; sizes are in bytes, times in seconds."""

    signing_key_file: Path

    notifier_url: str | None = None
    files_url: str | None = None
    reports_url: str | None = None
    scheduler_url: str | None = None
    owner_timeout: float = 10.0
    internal_token_life: float = 60.0

    upload_limit: int = 100 * 1024 * 1024
    body_limit: int = 2 * 1024 * 1024

    import_lease: float = 30.0
    import_chunk: int = 2_000
    import_sweep: float = 5.0
    import_attempts: int = 5

    @property
    def owners(self) -> dict[str, str]:
        """Service → base URL, for those that are configured."""
        named = {
            "notifier": self.notifier_url,
            "files": self.files_url,
            "reports": self.reports_url,
            "scheduler": self.scheduler_url,
        }
        return {name: url.rstrip("/") for name, url in named.items() if url}

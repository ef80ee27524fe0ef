"""What the reports service reads from its environment."""

from shared.settings import ServiceSettings, StorageSettings


class Settings(ServiceSettings, StorageSettings):
    """Nothing of its own yet."""

    port: int = 8003

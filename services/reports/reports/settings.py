"""What the reports service reads from its environment."""

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Nothing of its own yet."""

    port: int = 8003

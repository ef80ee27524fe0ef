"""The histories of revisions that the schemas have, and where their files are."""

from dataclasses import dataclass
from importlib import resources

from alembic.config import Config

ENVIRONMENT = "shared.persistence:alembic_environment"


@dataclass(frozen=True, slots=True)
class Chain:
    """One Alembic history: its schema, the package folder of its revisions, and the table with its current revision."""

    schema: str
    package: str
    folder: str = "migrations"
    table: str = "alembic_version"


def chains(services: list[str]) -> list[Chain]:
    """Return all histories in the order of their migration."""
    found = [Chain("vault", "shared.persistence", "vault_migrations")]
    for service in services:
        found += [Chain(service, "shared.persistence", table="alembic_version_shared"), Chain(service, service)]
    return found


def configuration(chain: Chain) -> Config:
    """Return what Alembic needs to know of a history to find its revisions."""
    config = Config()
    folder = str(resources.files(chain.package) / chain.folder / "versions")
    config.set_main_option("script_location", ENVIRONMENT)
    config.set_main_option("version_locations", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config

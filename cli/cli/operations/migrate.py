"""Migrate the database before services start, and create their logins."""

from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError

from cli.operations.service_names import NAMES
from shared.errors import Refused
from shared.persistence.migration_runner import migrate as upgrade
from shared.settings import FromSecrets


class MigrationSettings(FromSecrets):
    """The logins of the migration step."""

    migration_database_url: SecretStr = Field(description="a login that may create roles and schemas")
    gateway_database_url: SecretStr = Field(description="the gateway's login, which the step creates")
    notifier_database_url: SecretStr = Field(description="the notifier's")
    files_database_url: SecretStr = Field(description="that of the files service")
    reports_database_url: SecretStr = Field(description="that of the reports service")
    scheduler_database_url: SecretStr = Field(description="the scheduler's")

    def login(self, service: str) -> str:
        """Return the URL by which a service reaches its schema."""
        found: SecretStr = getattr(self, f"{service}_database_url")
        return found.get_secret_value()


def service_url(admin_url: str, service: str, password: str) -> str:
    """Return the URL with the service's own login on the same server and database."""
    parts = urlsplit(admin_url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{service}:{quote(password)}@{host}"))


def migrate() -> int:
    """Bring every schema up to date; MIGRATION_DATABASE_URL may create roles, <SERVICE>_DATABASE_URL are the logins."""
    try:
        settings = MigrationSettings()
    except ValidationError as problem:
        missing = ", ".join(str(each["loc"][0]).upper() for each in problem.errors(include_input=False))
        raise Refused(f"{missing}: not set") from problem
    admin = settings.migration_database_url.get_secret_value()
    return upgrade(admin, {name: settings.login(name) for name in NAMES})

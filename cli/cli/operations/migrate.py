"""Migrate the database before services start, and create their logins."""

import os
from urllib.parse import quote, urlsplit, urlunsplit

from cli.operations.service_names import NAMES
from shared.errors import Refused
from shared.persistence.migration_runner import migrate as upgrade


def service_url(admin_url: str, service: str, password: str) -> str:
    """Return the URL with the service's own login on the same server and database."""
    parts = urlsplit(admin_url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{service}:{quote(password)}@{host}"))


def migrate() -> int:
    """Bring every schema up to date; MIGRATION_DATABASE_URL may create roles, <SERVICE>_DATABASE_URL are the logins."""
    admin = _required("MIGRATION_DATABASE_URL")
    return upgrade(admin, {name: _required(f"{name.upper()}_DATABASE_URL") for name in NAMES})


def _required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise Refused(f"{name} is not set")
    return value

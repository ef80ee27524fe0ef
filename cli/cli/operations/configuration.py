"""`python -m cli.operations.configuration`: write docs/configuration.md and .env.example from the settings classes."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cli.layout import ROOT
from cli.operations.migrate import MigrationSettings
from cli.terminal import say
from files.settings import Settings as FilesSettings
from gateway.settings import Settings as GatewaySettings
from notifier.settings import Settings as NotifierSettings
from reports.settings import Settings as ReportsSettings
from scheduler.settings import Settings as SchedulerSettings
from shared.settings import ServiceSettings, StorageSettings

DOCUMENT = Path("docs/configuration.md")
EXAMPLE = Path(".env.example")
COMMON: tuple[type[BaseModel], ...] = (ServiceSettings, StorageSettings)
OWN: dict[str, type[BaseModel]] = {
    "gateway": GatewaySettings,
    "notifier": NotifierSettings,
    "files": FilesSettings,
    "reports": ReportsSettings,
    "scheduler": SchedulerSettings,
}

HEAD = """\
# Configuration

Each setting is a variable of the environment, else a file of that name in lower case in a folder of secrets
(`SECRETS_DIR`, `/run/secrets` unless it is set; several with colons between, a later one wins). An empty variable
counts as none. Settings are read once, when the process starts; one that is missing or wrong ends it with its name.

This page is written by `python -m cli.operations.configuration` from the settings classes; a test compares them.
"""
EXAMPLE_HEAD = """\
# Variables of compose.yaml, and settings of the services, with their defaults: copy this file to .env and change there
# what you need. Passwords do not belong here, because `docker inspect` shows them: docs/configuration.md.
# Written by `python -m cli.operations.configuration`.
"""
OPTIONS = {
    "BASE": "base image of the services: Python 3.11 or newer",
    "BUILD_BASE": "the same with its venv module",
    "RABBITMQ_IMAGE": "",
    "POSTGRES_IMAGE": "",
    "PROMETHEUS_IMAGE": "",
    "ALERTMANAGER_IMAGE": "",
    "GRAFANA_IMAGE": "",
    "GATEWAY_PORT": "published on loopback",
    "FCM_PORT": "page of the fake of FCM, on loopback",
    "MAIL_PORT": "page of the fake mail server, on loopback",
    "GRAFANA_PORT": "published on loopback",
    "FIREBASE_ACCOUNT_FILE": "the host's file of a Firebase service account, readable for user 10001",
    "SMTP_URL_FILE": "the host's file with one line, smtp://user:password@host:587, readable for user 10001",
    "STORAGE_URL": "file:///blobs, s3://bucket/prefix?region=… or gs://bucket/prefix",
}
"""What compose.yaml itself reads, beside settings of the services."""
PROFILES = "standins, observability, or both with a comma between"


def document() -> str:
    """Return the page: one table of what is common, one for each service, one for the migration step."""
    parts = [HEAD, "## Every service\n", _table(_fields(ServiceSettings))]
    parts += ["## Gateway, files and reports\n", _table(_fields(StorageSettings))]
    for name, settings in OWN.items():
        parts += [f"## {name.capitalize()}\n", _table(_own(settings))]
    parts += ["## The migration step\n", _table(_fields(MigrationSettings))]
    return "\n".join(parts)


def example(compose: str) -> str:
    """Return `.env.example`; `compose` is the text of compose.yaml."""
    read = dict(re.findall(r"\$\{([A-Z_]+)(?::[-+]([^}]*))?\}", compose))
    lines = [EXAMPLE_HEAD, "# compose.yaml", *_comment(PROFILES), "#COMPOSE_PROFILES=standins"]
    for name, text in OPTIONS.items():
        if name in read:
            lines += [*_comment(text), f"#{name}={'' if name.endswith('_FILE') else read[name]}"]
    lines += ["", "# every service", *_examples(_fields(ServiceSettings))]
    lines += ["", "# gateway, files and reports", *_examples(_fields(StorageSettings))]
    for name, settings in OWN.items():
        lines += ["", f"# {name}", *_examples(_own(settings))]
    return "\n".join(lines) + "\n"


GIVEN = frozenset({"database_url", "amqp_url", "vault_key_file", "verify_key_file", "signing_key_file", "host", "port",
                   "operations_port", "listen_descriptor", "standins"})  # fmt: skip
"""compose.yaml sets them, or they have no place in a file that all services read."""


def _examples(fields: dict[str, FieldInfo]) -> Iterator[str]:
    for name, field in fields.items():
        if name not in GIVEN and (not name.endswith("_url") or name in ("public_url", "prometheus_url")):
            yield from _comment(field.description or "")
            yield f"#{name.upper()}={_plain(field)}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, 118)]


def _fields(settings: type[BaseModel]) -> dict[str, FieldInfo]:
    return settings.model_fields


def _own(settings: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields that a service adds, or gives another default."""
    common = {name: field for each in COMMON for name, field in each.model_fields.items()}
    return {
        name: field
        for name, field in settings.model_fields.items()
        if name not in common or common[name].default != field.default
    }


def _table(fields: dict[str, FieldInfo]) -> str:
    rows = [f"| `{name.upper()}` | {_default(field)} | {_meaning(field)} |" for name, field in sorted(fields.items())]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows, ""])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    return f"`{text}`" if (text := _plain(field)) else "none"


def _plain(field: FieldInfo) -> str:
    """Return the default as it would stand in the environment."""
    value: Any = field.default
    if field.is_required() or value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _meaning(field: FieldInfo) -> str:
    """Return the description, the allowed values and the bounds."""
    parts = [field.description.replace("|", "\\|")] if field.description else []
    if choices := [each for each in get_args(field.annotation) if isinstance(each, str)]:
        parts.append(" or ".join(f"`{each}`" for each in choices))
    bounds = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = [
        f"{sign} {getattr(each, name):g}"
        for each in field.metadata
        for name, sign in bounds.items()
        if hasattr(each, name)
    ]
    return "; ".join([*parts, *([", ".join(limits)] if limits else [])])


def main() -> None:
    (ROOT / DOCUMENT).write_text(document(), encoding="utf-8")
    (ROOT / EXAMPLE).write_text(example((ROOT / "compose.yaml").read_text(encoding="utf-8")), encoding="utf-8")
    say(f"{DOCUMENT} and {EXAMPLE} written")


if __name__ == "__main__":
    main()

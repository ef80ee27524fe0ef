"""`python -m cli.stack.compose_setup`: write what the containers of `compose.yaml` must keep from each other.

Each service has a folder of its own in SECRETS, a volume that no other one has: its logins and the keys that it needs,
as files. Passwords are made once, in the folder of the tools (SCHOOLCONNECT_STATE), so they stand in no environment.
With `standins` it adds what the notifier needs to send to the fake providers, else it removes that.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from cli.backing.server_secrets import write_server_secrets
from cli.fakes import certs
from cli.layout import Layout, layout, write_private
from cli.operations.service_names import NAMES
from cli.processes.keys import SIGNING, VAULT, VERIFY, make_keys, password
from cli.stack.definition import write_contract

SECRETS = Path("/secrets")
FAKES = SECRETS / "fakes"
CA, ACCOUNT = "ca.pem", "service-account.json"
SERVER = "postgres:5432/schoolconnect"
PUSH, MAIL = "https://fcm:8010", "http://smtp:8026"


def main(words: list[str]) -> None:
    here = layout()
    make_keys(here.secrets)
    write_server_secrets(SECRETS, *(password(here.secrets, name) for name in ("rabbitmq", "postgres")))
    logins = {f"{name}_database_url": _login(here, name, name) for name in NAMES}
    admin = {"migration_database_url": _login(here, "schoolconnect", "")}
    _write(SECRETS / "migrate", logins | admin)
    broker = f"amqp://schoolconnect:{password(here.secrets, 'rabbitmq')}@rabbitmq:5672/schoolconnect"
    for name in NAMES:
        _write(SECRETS / name, {"database_url": logins[f"{name}_database_url"], "amqp_url": broker})
        _copy_keys(here, SECRETS / name, (VERIFY, VAULT, SIGNING) if name == "gateway" else (VERIFY, VAULT))
    write_private(SECRETS / "grafana" / "password", password(here.secrets, "grafana").encode())
    (SECRETS / "grafana" / "password").chmod(0o444)  # the image has a user of its own
    contract: dict[str, object] = {"gateway": "http://gateway:8000"}
    if "standins" in words:
        _write(SECRETS / "notifier", _fakes(SECRETS / "notifier"))
        contract |= {"fcm": PUSH, "fcm_ca": str(FAKES / CA), "mail": {"http": MAIL}}
    else:
        for name in (*_FAKE_SETTINGS, CA, ACCOUNT):
            (SECRETS / "notifier" / name).unlink(missing_ok=True)
    write_contract(here, contract)


def _login(here: Layout, user: str, service: str) -> str:
    secret = password(here.secrets, f"postgres-{service}" if service else "postgres")
    return f"postgresql://{user}:{secret}@{SERVER}"


_FAKE_SETTINGS: Mapping[str, str] = {
    "standins": "1",
    "fcm_url": PUSH,
    "fcm_ca_file": f"/run/secrets/{CA}",
    "google_application_credentials": f"/run/secrets/{ACCOUNT}",
    "smtp_url": "smtp://smtp:8025",
}
"""The notifier's settings for the fakes."""


def _fakes(notifier: Path) -> Mapping[str, str]:
    """Make the fakes' certificate; give the notifier its authority and the account, not the private key."""
    certs.make(FAKES, token_uri=f"{PUSH}/token", hosts=("fcm",))
    for name in (CA, ACCOUNT):
        write_private(notifier / name, (FAKES / name).read_bytes())
    return _FAKE_SETTINGS


def _write(folder: Path, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        write_private(folder / name, value.encode())


def _copy_keys(here: Layout, folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        write_private(folder / name, (here.secrets / name).read_bytes())


if __name__ == "__main__":
    main(sys.argv[1:])

"""`python -m cli.stack.compose_setup`: write the keys and addresses that the containers of `compose.yaml` need.

Keys go into the state folder (SCHOOLCONNECT_STATE); those that every service needs also go into TRUST. The addresses
by which the containers call each other go into stack.json, so that `token` and `demo` work in a container.
"""

import os
from pathlib import Path

from cli.layout import layout, write_private
from cli.processes.keys import VAULT, VERIFY, make_keys
from cli.stack.definition import write_contract


def main() -> None:
    here = layout()
    make_keys(here.secrets)
    for name in (VERIFY, VAULT):
        write_private(Path(os.environ["TRUST"]) / name, (here.secrets / name).read_bytes())
    addresses = {"gateway": os.environ["GATEWAY_URL"]}
    fakes = {
        "fcm": os.environ["FCM_URL"],
        "fcm_ca": os.environ["FCM_CA_FILE"],
        "mail": {"http": os.environ["MAIL_PAGE"]},
    }
    write_contract(here, addresses | (fakes if os.environ["STANDINS"] == "1" else {}))


if __name__ == "__main__":
    main()

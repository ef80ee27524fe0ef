"""`python -m cli.operations.openapi`: write the paths and models of the other services for the gateway's API text.

The gateway imports no other service, so it ships their paths and models as data; a test compares the two.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi.openapi.utils import get_openapi

from cli.operations.service_builders import BUILDS
from cli.processes.keys import SIGNING, VAULT, VERIFY, make_keys
from cli.terminal import say
from shared.service.service import Service

FILE = Path("services/gateway/gateway/owners.json")


def text(services: Mapping[str, Service]) -> str:
    """Return the content of the file: for each service its paths and models."""
    found: dict[str, Any] = {}
    for name, service in services.items():
        if name != "gateway":
            spec = get_openapi(title=name, version="1", routes=service.app().routes)
            paths = {path: spec["paths"][path] for path in spec["paths"] if path.startswith("/v1")}
            found[name] = {"paths": paths, "schemas": spec.get("components", {}).get("schemas", {})}
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _placeholder_environment(folder: Path) -> dict[str, str]:
    """Return an environment in which services can be built without being started."""
    make_keys(folder)
    return {
        "DATABASE_URL": "postgresql://127.0.0.1:1/none",
        "AMQP_URL": "amqp://127.0.0.1:1/",
        "SIGNING_KEY_FILE": str(folder / SIGNING),
        "VERIFY_KEY_FILE": str(folder / VERIFY),
        "VAULT_KEY_FILE": str(folder / VAULT),
        "STORAGE_URL": (folder / "blobs").as_uri(),
        "STANDINS": "1",
    }


if __name__ == "__main__":
    with TemporaryDirectory() as made:
        os.environ.update(_placeholder_environment(Path(made)))
        FILE.write_text(text({name: build() for name, build in BUILDS.items()}))
    say(f"{FILE} written")

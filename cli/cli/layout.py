"""The files and folders of the local stack: one folder per clone, `.local/`."""

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The clone that this command belongs to."""

OUTSIDE = Path("/var/lib/schoolconnect")
"""The place for databases when their server's user cannot enter the clone."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of one stack. Only `nodes` may lie outside `folder`."""

    folder: Path
    outside: Path = OUTSIDE

    @property
    def stack(self) -> Path:
        return self.folder / "stack.json"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def processes(self) -> Path:
        return self.folder / "processes.json"

    @property
    def ports(self) -> Path:
        return self.folder / "ports.json"

    @property
    def welcomed(self) -> Path:
        return self.folder / "welcomed.json"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def certs(self) -> Path:
        return self.folder / "standins"

    @property
    def data(self) -> Path:
        """Files of the services."""
        return self.folder / "data"

    @property
    def inside(self) -> Path:
        return self.folder / "nodes"

    @property
    def containers(self) -> Path:
        """Passwords of servers in containers; exists when a container engine has run a part of this stack."""
        return self.folder / "containers"

    @property
    def tests(self) -> Path:
        """One folder for each test run, named after its process."""
        return self.folder / "tests"

    @property
    def elsewhere(self) -> Path:
        """The folder for databases when their user cannot enter `inside`; named after the clone."""
        return self.outside / hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]


def layout() -> Layout:
    """Return the stack of this clone, or the one in the folder that SCHOOLCONNECT_STATE names (absolute path)."""
    named = os.environ.get("SCHOOLCONNECT_STATE")
    return Layout(Path(named).absolute() if named else ROOT / ".local")


def private_folder(folder: Path) -> Path:
    """Create `folder` if it is missing, open to its owner only, and return it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    private_folder(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)

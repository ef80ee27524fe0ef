"""Where the local stack keeps what it needs: one folder per clone, `.local/`, and what of it is in the open."""

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The clone that this command belongs to."""

OUTSIDE = Path("/var/lib/schoolconnect")
"""Where databases go when no other user could reach them inside the clone."""


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
        """What the services keep in files."""
        return self.folder / "data"

    @property
    def inside(self) -> Path:
        return self.folder / "nodes"

    @property
    def containers(self) -> Path:
        """Present when a container engine has run, or still runs, some of it."""
        return self.folder / "containers"

    @property
    def tests(self) -> Path:
        """One folder for every run of the tests, named after its process."""
        return self.folder / "tests"

    @property
    def elsewhere(self) -> Path:
        """The folder for databases when `inside` cannot be reached by their user; named after the clone."""
        return self.outside / hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]


def layout() -> Layout:
    """The stack of this clone, or the one that SCHOOLCONNECT_STATE names (absolute path of a folder)."""
    named = os.environ.get("SCHOOLCONNECT_STATE")
    return Layout(Path(named).absolute() if named else ROOT / ".local")


def private_folder(folder: Path) -> Path:
    """`folder`, made if need be, open to its owner only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_private(path: Path, content: bytes) -> None:
    """Put a file in place that only its owner reads, whole or not at all."""
    private_folder(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)

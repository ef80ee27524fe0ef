"""Where the servers' programs are on this machine, and who may run PostgreSQL."""

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The program itself: the wrapper on the PATH would switch to the system's user and node."""
POSTGRES = Path("/usr/lib/postgresql")
OLDEST_POSTGRES = 15


@dataclass(frozen=True, slots=True)
class Programs:
    """What is installed; None where it is not."""

    rabbitmq: Path | None
    postgres: Path | None

    @property
    def missing(self) -> tuple[str, ...]:
        """Debian's packages for what is not there."""
        wanted = {"rabbitmq-server": self.rabbitmq, "postgresql": self.postgres}
        return tuple(name for name, found in wanted.items() if found is None)


def programs() -> Programs:
    """Look once more; an installation may have just ended."""
    versions = [folder for folder in POSTGRES.glob("*") if folder.name.isdigit()] if POSTGRES.is_dir() else []
    usable = [f / "bin" for f in versions if int(f.name) >= OLDEST_POSTGRES and (f / "bin" / "initdb").exists()]
    newest = max(usable, key=lambda found: int(found.parent.name), default=None)
    on_path = shutil.which("initdb")
    return Programs(RABBITMQ if RABBITMQ.exists() else None, newest or (Path(on_path).parent if on_path else None))


def database_user() -> str | None:
    """Whom PostgreSQL runs as: it refuses root, so then the user that its package made; None is ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


def reachable(folder: Path, user: str) -> bool:
    """Whether another user gets through every folder on the way to `folder`."""
    uid = pwd.getpwnam(user).pw_uid
    for parent in [*folder.parents]:
        if not parent.exists():
            continue
        status = parent.stat()
        through = status.st_mode & (0o100 if status.st_uid == uid else 0o001)
        if not through:
            return False
    return True

"""Run a private PostgreSQL with its own folder and port; it accepts passwords over loopback only."""

import os
import pwd
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from cli.layout import Layout, private_folder, write_private
from cli.processes.probes import database
from cli.processes.specs import Spec
from shared.errors import Refused

OLDEST = 15
USER = DATABASE = "schoolconnect"
SERVERS = ("postgres", "nobody")
"""Users for the server when we are root, which PostgreSQL refuses; the first that exists is used."""

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%a ",
    "log_min_duration_statement": "2s",
    # Values, and rows that violate a constraint, may be personal data: statements are logged without them.
    "log_parameter_max_length": "0",
    "log_error_verbosity": "terse",
    "log_destination": "stderr",
    "logging_collector": "off",
}

UNSYNCED = ("--fsync=off", "--full-page-writes=off")
"""Options of a server whose data need not survive the machine. What was committed still survives a kill of the server:
the kernel has it."""

INITDB = """
set -e
rm -rf "$2.new"
"$1" --pgdata="$2.new" --username="$3" --pwfile="$4" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
mv "$2.new" "$2"
"""
"""The folder is renamed at the end: an interrupted initdb leaves a folder that looks like a database."""


@dataclass(frozen=True, slots=True)
class Installed:
    """The programs of one version on this machine."""

    version: int
    programs: Path


def find() -> list[Installed]:
    """Return every usable installed version, the newest first."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    found = {folder: _version(folder) for folder in folders if (folder / "initdb").exists()}
    usable = [Installed(version, folder) for folder, version in found.items() if version >= OLDEST]
    return sorted(usable, key=lambda each: each.version, reverse=True)


def _version(programs: Path) -> int:
    done = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, timeout=20, check=True)
    number = re.search(r"(\d+)", done.stdout)
    return int(number[1]) if number else 0


def server_user() -> str | None:
    """Return the user to run the server as; None for the present one."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in SERVERS if name in known), None)


def home(layout: Layout, user: str | None) -> Path:
    """Return the folder for the databases: inside the clone, or elsewhere when `user` cannot enter that.

    Raises Refused when data exist in a folder that `user` can no longer enter.
    """
    if user is None:
        return private_folder(layout.inside)
    candidates = [layout.inside, layout.elsewhere]
    with_data = [folder for folder in candidates if (folder / "postgres").exists()]
    for folder in with_data or candidates:
        _open_way(folder)
        if _reaches(folder, user):
            return folder
    raise Refused(
        f"PostgreSQL runs as the user {user}, who cannot enter {(with_data or candidates)[-1]}. "
        "Open every folder on the path with `chmod o+x`" + (", or run `make reset`" if with_data else "")
    )


def _open_way(folder: Path) -> None:
    """Create `folder` and let other users pass through it and its parent; entries have their own permissions."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in (folder.parent, folder):
        part.chmod(0o711)


def _reaches(folder: Path, user: str) -> bool:
    entered = subprocess.run(
        ["/usr/bin/test", "-x", folder],
        user=user,
        group=pwd.getpwnam(user).pw_gid,
        extra_groups=[],
        check=False,
        cwd="/",
    )
    return entered.returncode == 0


def url(port: int, password: str) -> str:
    return f"postgresql://{USER}:{quote(password, safe='')}@127.0.0.1:{port}/{DATABASE}"


def choose(installed: list[Installed], folder: Path) -> Installed:
    """Return the version that made the data in `folder`, else the newest; raises Refused when it is not installed."""
    made_by = folder / "data" / "PG_VERSION"
    if not made_by.exists():
        return installed[0]
    wanted = int(made_by.read_text().strip())
    for each in installed:
        if each.version == wanted:
            return each
    raise Refused(
        f"PostgreSQL {wanted}, which made the data in {folder}, is not installed any more. "
        "Install it, or remove the data with `make reset`"
    )


def specs(installed: list[Installed], folder: Path, port: int, password: str, user: str | None) -> list[Spec]:
    """Define its processes: `initdb` the first time, then the server."""
    chosen = choose(installed, folder)
    data = folder / "data"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if user:
        shutil.chown(folder, user)
    env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", "HOME": str(folder)}
    settings = SETTINGS | {"port": str(port)}
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    server = Spec(
        name="postgres",
        argv=(str(chosen.programs / "postgres"), "-D", str(data), *arguments),
        env=env,
        ready=database(url(port, password)),
        user=user,
        stop_signal=signal.SIGINT,  # "fast": open transactions are rolled back
        grace=6.0,
    )
    if (data / "PG_VERSION").exists():
        _forget_stale_pid(data)
        return [server]
    first = folder / "password"
    write_private(first, password.encode())
    if user:
        shutil.chown(first, user)
    initdb = Spec(
        name="initdb",
        argv=("/bin/sh", "-c", INITDB, "initdb", str(chosen.programs / "initdb"), str(data), USER, str(first)),
        env=env,
        user=user,
    )
    return [initdb, replace(server, needs=frozenset({"initdb"}))]


def _forget_stale_pid(data: Path) -> None:
    """Remove the pid file of a server that was killed, if its process id belongs to another program now.

    PostgreSQL would take any living process with that id and user for its predecessor. Ours are reaped before.
    """
    path = data / "postmaster.pid"
    if path.exists():
        number = path.read_text().split("\n", 1)[0]
        program = Path(f"/proc/{number}/exe")
        if program.exists() and program.resolve().name != "postgres":
            path.unlink()

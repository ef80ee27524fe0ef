"""Choose ports: those of the last start when they are free, else others, outside the range of outgoing connections.

Between the choice of a port and the moment when its server listens, another stack could find it free too. So a process
claims a port first, with an abstract socket of that name: only one process of the machine can have it, and it ends with
the process.
"""

import errno
import json
import os
import random
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cli.layout import write_private
from shared.errors import Refused

PREFERRED = {
    "gateway": 8000,
    "notifier": 8001,
    "files": 8002,
    "reports": 8003,
    "scheduler": 8004,
    "gateway-operations": 8100,
    "notifier-operations": 8101,
    "files-operations": 8102,
    "reports-operations": 8103,
    "scheduler-operations": 8104,
    "fcm": 8010,
    "smtp": 8025,
    "mail": 8026,
    "amqp": 26672,
    "rabbitmq_management": 26673,
    "rabbitmq_dist": 26674,
    "rabbitmq_metrics": 26676,
    "epmd": 26675,
    "postgres": 26432,
}
FALLBACK = range(18_000, 32_000)
"""Below Linux's default range for outgoing connections (32768 and up), which may use a port at any moment."""


CLAIMS = 200
"""The claims that are kept, those of the last starts: a listening port needs no claim."""


class Claims:
    """The ports that this process has claimed."""

    def __init__(self) -> None:
        self.held: dict[int, int] = {}

    def claim(self, port: int) -> bool:
        """Claim a port; False when another process has claimed it."""
        if port in self.held:
            return True
        name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            name.bind(f"\0schoolconnect-port-{port}")
        except OSError:
            name.close()
            return False
        # Kept as a bare descriptor, which only the end of the process closes.
        self.held[port] = name.detach()
        if len(self.held) > CLAIMS:
            os.close(self.held.pop(next(iter(self.held))))
        return True


claims = Claims()


def free(port: int) -> bool:
    """Whether nothing listens on `port` of this machine's loopback addresses."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as problem:
            if problem.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            # Other errors mean that this machine does not have the address family.
    return True


def pick(names: Iterable[str], wanted: Mapping[str, Sequence[int]] | None = None) -> dict[str, int]:
    """Claim a free port for each name: the first free one of `wanted`, else any from FALLBACK."""
    found: dict[str, int] = {}
    for name in names:
        first = (wanted or {}).get(name, ())
        others = (each for each in random.sample(FALLBACK, 200) if each not in claims.held)
        tries = (each for each in (*first, *others) if each not in found.values())
        port = next((each for each in tries if free(each) and claims.claim(each)), None)
        if port is None:
            raise Refused(f"no free port for {name} between {FALLBACK.start} and {FALLBACK.stop}")
        found[name] = port
    return found


def pick_stable(path: Path, names: Iterable[str]) -> dict[str, int]:
    """As `pick`, preferring the ports stored in `path`, then PREFERRED; the choice is stored in `path`."""
    remembered: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    wanted = {name: [remembered.get(name, port), port] for name, port in PREFERRED.items()}
    found = pick(names, wanted)
    write_private(path, json.dumps(remembered | found, indent=2).encode())
    return found

"""Limits what one client can hold: connections in all and per address, and the time to send a request.

A connection that has sent no whole request costs a descriptor and nothing else, so it is the first to be closed. At a
limit, the oldest of these makes place for the new one: a client that sends its request at once is always answered.
"""

import ipaddress
import resource
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

BACKLOG = 2_048
"""Connections that the kernel accepts before this process has looked at them."""
RESERVED = 512
"""Descriptors for the database, the broker, other services and files."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What is allowed. Times are in seconds; `trusted` are the proxies, whose connections are of many clients."""

    most: int = 10_000
    per_address: int = 2_000
    headers_within: float = 10.0
    body_pause: float = 20.0
    body_rate: int = 256
    """Bytes a second that a client must send of a body, on average over `body_pause`."""
    trusted: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network] = ()

    def is_trusted(self, address: str) -> bool:
        """Whether the address is that of a proxy."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self.trusted)


class Closable(Protocol):
    """A connection, as far as the table needs it."""

    address: str

    def give_way(self) -> None:
        """Close: another connection needs the place."""


class Waiting:
    """Connections without a request in progress, the oldest first; in all and by address."""

    def __init__(self) -> None:
        self._all: dict[Closable, None] = {}
        self._by_address: defaultdict[str, dict[Closable, None]] = defaultdict(dict)

    def add(self, connection: Closable) -> None:
        """Add as the newest."""
        self._all[connection] = None
        self._by_address[connection.address][connection] = None

    def discard(self, connection: Closable) -> None:
        """Remove; nothing happens if it is not here."""
        self._all.pop(connection, None)
        here = self._by_address.get(connection.address)
        if here is not None:
            here.pop(connection, None)
            if not here:
                del self._by_address[connection.address]

    def oldest(self, address: str | None) -> Closable | None:
        """Return the oldest of an address, or of all."""
        return next(iter(self._all if address is None else self._by_address.get(address, ())), None)


class ConnectionTable:
    """All connections of this process."""

    def __init__(self, limits: ConnectionLimits, on_closed: Callable[[], object] = lambda: None) -> None:
        """`on_closed` is called for each connection that is closed to make place."""
        self.limits = limits
        self._on_closed = on_closed
        self.open: set[Closable] = set()
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._unproven, self._idle = Waiting(), Waiting()
        """Connections that never sent a whole head of a request, and those between two requests."""

    def join(self, connection: Closable) -> None:
        """Add a connection; at a limit the oldest one without a request in progress is closed, perhaps this one."""
        self.open.add(connection)
        self._counts[connection.address] += 1
        self._unproven.add(connection)
        address = connection.address
        if self._counts[address] > self.limits.per_address and not self.limits.is_trusted(address):
            self._make_place(connection, address)
        if len(self.open) > self.limits.most:
            self._make_place(connection, None)

    def _make_place(self, joining: Closable, address: str | None) -> None:
        """Close the oldest of an address, or of all: one that never asked, else one between requests, else the new."""
        closing = self._unproven.oldest(address)
        if closing is None or closing is joining:
            closing = self._idle.oldest(address) or joining
        self.leave(closing)
        closing.give_way()
        self._on_closed()

    def busy(self, connection: Closable) -> None:
        """Note that a request is in progress: the connection stays."""
        self._unproven.discard(connection)
        self._idle.discard(connection)

    def idle(self, connection: Closable) -> None:
        """Note that a request was answered."""
        if connection in self.open:
            self._idle.add(connection)

    def leave(self, connection: Closable) -> None:
        """Remove a connection; nothing happens the second time."""
        if connection not in self.open:
            return
        self.open.remove(connection)
        self.busy(connection)
        self._counts[connection.address] -= 1
        if not self._counts[connection.address]:
            del self._counts[connection.address]


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open descriptors to the hard one (at most 65,536); return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return 65_536 if soft == resource.RLIM_INFINITY else soft


def places(descriptors: int, wanted: int) -> tuple[int, int]:
    """Return the most connections and the backlog, so that a full table leaves descriptors for everything else."""
    backlog = min(BACKLOG, descriptors // 8)
    reserved = min(RESERVED, descriptors // 4)
    return min(wanted, descriptors - backlog - reserved), backlog

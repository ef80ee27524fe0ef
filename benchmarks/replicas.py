"""Two processes of a service on one listening socket, which outlives both: they can be replaced one after the other."""

import socket
from collections.abc import Iterable
from dataclasses import replace
from types import TracebackType
from typing import Self

from cli.processes.ports import pick
from cli.processes.probes import answers
from cli.processes.specs import Spec
from cli.testing.system import System

BACKLOG = 2_048


class Replicas:
    """The processes `<service>-0` and `<service>-1` of a system, and their sockets."""

    def __init__(self, system: System, services: Iterable[str], count: int = 2) -> None:
        self._system = system
        self._sockets = {name: _listening(system.ports[name]) for name in services}
        self.names = {name: [f"{name}-{number}" for number in range(count)] for name in self._sockets}
        self.operations = pick([replica for each in self.names.values() for replica in each])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        for each in self._sockets.values():
            each.close()

    async def start(self) -> None:
        """Start all of them and return when each is ready."""
        await self._system.fleet.start(*(self._spec(name, each) for name in self.names for each in self.names[name]))

    async def restart(self, service: str, replica: str) -> None:
        """Stop one in order and start it again; the other one works meanwhile."""
        stubborn = await self._system.fleet.stop(replica)
        assert not stubborn, f"{replica} had to be killed"
        await self._system.fleet.start(self._spec(service, replica))

    def _spec(self, service: str, replica: str) -> Spec:
        """Define one process; it is asked on its own port, because any process answers on the common one."""
        spec, own = self._system.spec(service), self.operations[replica]
        descriptor = self._sockets[service].fileno()
        extra = {"LISTEN_DESCRIPTOR": str(descriptor), "OPERATIONS_PORT": str(own)}
        return replace(
            spec,
            name=replica,
            env={**spec.env, **extra},
            ready=answers(f"http://127.0.0.1:{own}/health/ready"),
            descriptors=(descriptor,),
            limit=180.0,  # under load
        )


def _listening(port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", port))
    found.listen(BACKLOG)
    return found

"""Start a stack on ports that are free; when another program took one meanwhile, choose again."""

from collections.abc import Awaitable, Callable, Iterable

from cli.layout import Layout
from cli.processes.launcher import StartFailed
from cli.processes.ports import free, pick_stable
from cli.processes.supervisor import Supervisor
from cli.stack.definition import Stack
from cli.terminal import say

ATTEMPTS = 3


async def start_on_free_ports(
    layout: Layout, supervisor: Supervisor, names: Iterable[str], plan: Callable[[dict[str, int]], Awaitable[Stack]]
) -> Stack:
    """Choose a port for each name, plan and start the stack.

    Between the choice of a port and the moment when its server listens, any program of the machine can take it. A start
    that fails while one of its ports is in use is undone and tried again with others; raises StartFailed.
    """
    wanted = tuple(names)
    for attempt in range(1, ATTEMPTS + 1):
        ports = pick_stable(layout.ports, wanted)
        planned = await plan(ports)
        try:
            await supervisor.start(planned.specs)
        except StartFailed:
            await supervisor.stop()
            occupied = [name for name, port in ports.items() if not free(port)]
            if not occupied or attempt == ATTEMPTS:
                raise
            say(f"Another program took the port of {', '.join(occupied)}: choosing again")
        else:
            return planned
    raise AssertionError  # the last attempt returns or raises

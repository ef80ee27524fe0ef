"""Run scenarios of `benchmarks/` on their own nodes: `make bench`, `make chaos`, `make accuracy`."""

import asyncio
import os
import sys

from cli.layout import ROOT, Layout, layout
from cli.processes.specs import Spec
from cli.processes.supervisor import Supervisor
from cli.testing.environment import OF_THE_CALLER, install, install_tools, run_isolated

VERBS = {
    "bench": "measure speed and memory against their bounds",
    "chaos": "check the promises at full size under faults",
    "accuracy": "measure how well documents are read",
}


def run(verb: str, only: str, seed: int) -> int:
    """Run one scenario or all of a verb; return 0 when every bound holds, 130 after a signal."""
    clone = layout()
    arguments = (verb, "--results", str(clone.folder / verb), "--seed", str(seed), *(("--only", only) if only else ()))

    async def measure(own: Layout, supervisor: Supervisor) -> int:
        if verb != "accuracy":
            await install(supervisor)
        if verb == "chaos":
            await install_tools(supervisor)
        return await supervisor.foreground(_scenarios(own, arguments))

    return asyncio.run(run_isolated(clone, measure))


def _scenarios(own: Layout, arguments: tuple[str, ...]) -> Spec:
    """Define the program; its processes are in the table of `own`, so that none outlives the verb."""
    place = ("--folder", str(own.folder), "--outside", str(own.outside))
    return Spec(
        name="benchmarks",
        argv=(sys.executable, "-m", "benchmarks", *arguments, *place),
        env={name: value for name, value in os.environ.items() if name not in OF_THE_CALLER},
        grace=8.0,
        folder=ROOT,
    )

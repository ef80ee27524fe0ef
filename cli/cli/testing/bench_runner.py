"""`make bench`, `make chaos`, `make accuracy`: scenarios of `benchmarks/` on nodes of their own."""

import asyncio
import os
import sys

from cli.layout import ROOT, Layout, layout
from cli.processes.specs import Spec
from cli.processes.supervisor import Supervisor
from cli.testing.environment import OF_THE_CALLER, alone, install

VERBS = {
    "bench": "measure speed and memory beside stated bounds",
    "chaos": "check the promises at full size under faults",
    "accuracy": "measure what is read from documents",
}


def run(verb: str, only: str, seed: int) -> int:
    """Run one scenario or all of a verb; 0 when every stated bound holds, 130 after a signal."""
    clone = layout()
    arguments = (verb, "--results", str(clone.folder / verb), "--seed", str(seed), *(("--only", only) if only else ()))

    async def measure(own: Layout, supervisor: Supervisor) -> int:
        await install(supervisor)
        return await supervisor.foreground(_scenarios(own, arguments))

    return asyncio.run(alone(clone, measure))


def _scenarios(own: Layout, arguments: tuple[str, ...]) -> Spec:
    """The program; what it starts is in the ledger of `own`, so that none of it outlives the verb."""
    place = ("--folder", str(own.folder), "--outside", str(own.outside))
    return Spec(
        name="benchmarks",
        argv=(sys.executable, "-m", "benchmarks", *arguments, *place),
        env={name: value for name, value in os.environ.items() if name not in OF_THE_CALLER},
        grace=8.0,
        folder=ROOT,
    )

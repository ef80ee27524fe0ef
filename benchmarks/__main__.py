"""`python -m benchmarks VERB`: run scenarios; `make bench` and the like prepare the environment and start this."""

import argparse
import asyncio
import importlib
import sys
from contextlib import nullcontext
from pathlib import Path

import uvloop
from rich.console import Console

from benchmarks.harness import Lab, Report
from cli.layout import Layout
from cli.processes.launcher import StartFailed
from cli.terminal import complain
from shared.errors import Refused
from shared.service.server import freeze_gc

WITHOUT_NODES = "accuracy"
"""The verb whose scenarios need no RabbitMQ and no PostgreSQL."""


def main() -> int:
    """Run the scenarios; returns the exit code: 0 when every bound of every scenario holds."""
    options = _parser().parse_args()
    known = scenarios(options.verb)
    if options.only and options.only not in known:
        complain(f"{options.verb} knows {', '.join(known) or 'no scenario'}; ONLY={options.only} is none of them")
        return 1
    if not known:
        complain(f"There is no scenario for {options.verb} yet.")
        return 1
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(_run(options, [options.only] if options.only else known))
        except (Refused, StartFailed) as problem:
            complain(str(problem))
            return 1


def scenarios(verb: str) -> list[str]:
    """Return the names of a verb's scenarios."""
    return sorted(path.stem for path in (Path(__file__).parent / verb).glob("[a-z]*.py"))


async def _run(options: argparse.Namespace, names: list[str]) -> int:
    lab = Lab(Layout(options.folder, options.outside), seed=options.seed)
    broken = []
    needs_nodes = options.verb != WITHOUT_NODES
    async with lab.open() if needs_nodes else nullcontext():
        for name in names:
            report = Report(options.verb, name, options.seed)
            scenario = importlib.import_module(f"benchmarks.{options.verb}.{name}")
            freeze_gc()  # as every service does when it starts
            await scenario.run(lab, report)
            report.show(Console())
            report.write(options.results)
            broken += report.broken()
            if needs_nodes:
                await lab.mend()
    return 1 if broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("verb")
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=1)
    for folder in ("results", "folder", "outside"):
        parser.add_argument(f"--{folder}", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())

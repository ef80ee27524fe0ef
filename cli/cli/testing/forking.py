"""Start services for tests by a fork of a process that has imported them, so that a start imports nothing.

A fork is a process of its own, with its own session, connections and memory: it is stopped and killed as any other.
It does not show how long a cold start takes: `make bench` and `make chaos` start each process from nothing.
"""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from cli.operations.service_names import NAMES
from cli.processes.specs import Spec

IMPORTED = (
    *(f"{name}.main" for name in NAMES),
    "cli.fakes.fcm_protocol",
    "cli.fakes.server",
    "benchmarks.worker_process",
)
"""What the process that forks has imported: there is one for each process of tests, so it knows the scenarios' too."""
OF_THE_INTERPRETER = frozenset({"LD_PRELOAD", "PYTHONPATH"})
"""Variables that count only at the start of an interpreter."""


class Forked:
    """A forked process, with the part of `subprocess.Popen` that a launcher uses."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid = process.pid

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs; a signal that killed it is negative."""
        return self._process.exitcode

    def wait(self) -> int:
        """Return the exit code once it has ended."""
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode


def prepare() -> None:
    """Start the process that forks, unless it runs; the first fork does so as well."""
    first = _context().Process(target=os.getpid, daemon=True)
    first.start()
    first.join()


def fork(spec: Spec, log: Path) -> Forked | None:
    """Start the process of `spec`, which writes to `log`; return None where only a new interpreter does."""
    module, *words = spec.argv[2:]
    new = (
        spec.argv[:2] != (sys.executable, "-m") or spec.user or spec.descriptors or OF_THE_INTERPRETER & spec.env.keys()
    )
    if new:
        return None
    process = _context().Process(target=_run, args=(module, words, dict(spec.env), spec.folder, log), daemon=True)
    process.start()
    return Forked(process)


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    return context


def _run(module: str, words: Sequence[str], env: Mapping[str, str], folder: Path, log: Path) -> None:
    """Become the process."""
    multiprocessing.current_process().daemon = False  # a daemon may have no children, and services have some
    os.setsid()
    os.chdir(folder)
    written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.close(written)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)

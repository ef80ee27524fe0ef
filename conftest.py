"""Imports the packages before pytest names test modules after their folders: `shared/tests` is not in `shared`.

The fakes are fixtures for all tests: one process of each for the whole run, cleared for every test.
"""

import gc
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import structlog
from xdist.scheduler import LoadScopeScheduling

import cli
import files
import gateway
import notifier
import reports
import scheduler
import shared
from cli.fakes import process
from cli.fakes.process import Running

PACKAGES = (cli, files, gateway, notifier, reports, scheduler, shared)
LONGEST = (
    "tests/journeys/",
    "tests/scenarios/test_chaos.py::test_smoke[spine]",
    "tests/scenarios/test_chaos.py::test_smoke[deploy]",
    "tests/scenarios/test_chaos.py::test_smoke[cluster]",
    "tests/scenarios/test_chaos.py::test_smoke[notifier]",
    "tests/scenarios/",
    "tests/described/",
    "tests/test_previous.py",
    "services/files/tests/reading/test_hostile_files.py",
    "services/files/tests/reading/",
    "cli/tests/operations/test_read_files.py",
    "cli/tests/stack/",
    "tests/test_accuracy.py",
    "services/gateway/tests/",
    "shared/tests/",
)
"""How the ids of those tests begin that take the longest, the longest first."""


class Together(LoadScopeScheduling):
    """Gives a worker the tests that share what is costly: a file, all journeys; a scenario shares nothing."""

    def _split_scope(self, nodeid: str) -> str:
        """Return the group of a test: its worker has the whole of it. It is what xdist's schedulers override."""
        if nodeid.startswith("tests/journeys/"):
            return "tests/journeys"
        return nodeid if nodeid.startswith("tests/scenarios/") else nodeid.split("::", 1)[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Give tests to workers by these groups, whatever `--dist` says."""
    return Together(config, log)


# What is imported and collected stays until the end: to look through it for garbage takes seconds of each worker.
gc.disable()

# Hypothesis fails what takes long by the clock, which on a busy machine is no fault of the code.
hypothesis.settings.register_profile(
    "any_machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any_machine")

# The default formatter draws each traceback with its values, which takes a second on a busy machine.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=True),
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first, in any order of the others, so that no worker runs one alone in the end."""

    def rank(item: pytest.Item) -> int:
        return next((number for number, start in enumerate(LONGEST) if item.nodeid.startswith(start)), len(LONGEST))

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """Collect garbage from here on, among what tests make."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def fcm_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a fake FCM with its certificates and service account in `folder`."""
    with process.fcm(tmp_path_factory.mktemp("fcm")) as running:
        yield running


@pytest.fixture(scope="session")
def smtp_process() -> Iterator[Running]:
    """Run a fake mail server."""
    with process.smtp() as running:
        yield running


@pytest.fixture
def fcm(fcm_process: Running) -> Running:
    """Clear the fake FCM for a test."""
    fcm_process.clear()
    return fcm_process


@pytest.fixture
def smtp(smtp_process: Running) -> Running:
    """Clear the fake mail server for a test."""
    smtp_process.clear()
    return smtp_process

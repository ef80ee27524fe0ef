"""Imports the packages before pytest names test modules after their folders: `shared/tests` is not in `shared`.

The fakes are fixtures for all tests: one process of each for the whole run, cleared for every test.
"""

import gc
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

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
ROOT = Path(__file__).parent
LONGEST = (
    "tests/scenarios/test_chaos.py",
    "tests/journeys",
    "tests/scenarios/test_bench.py",
    "tests/test_previous.py",
    "services/files/tests/reading/test_sandbox.py",
    "services/files/tests/reading/test_hostile_files.py",
    "tests/journeys/test_upload_faults.py",
    "tests/described/test_described.py",
    "tests/test_accuracy.py",
    "cli/tests/operations/test_read_files.py",
    "cli/tests/stack/test_nodes.py",
)
"""The files and folders that take the longest, the longest first. The journeys share a system: one worker has them."""


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
    """The longest files first, in any order of the others, so that no worker runs one alone in the end."""
    rank = {ROOT / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, rank.get(item.path.parent, len(LONGEST))))


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

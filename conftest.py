"""Imports the packages before pytest names test modules after their folders: `shared/tests` is not in `shared`."""

import pytest

import cli
import files
import gateway
import notifier
import reports
import scheduler
import shared

pytest_plugins = ["cli.fakes.fixtures"]
PACKAGES = (cli, files, gateway, notifier, reports, scheduler, shared)
LONGEST = "tests/test_benchmarks.py"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first, whatever the order: nobody waits for it alone in the end."""
    items.sort(key=lambda item: not item.path.match(LONGEST))

"""The fakes as pytest fixtures (named in the root's conftest.py): one process of each for the whole run.

Every test begins without faults and without received messages.
"""

from collections.abc import Iterator

import pytest

from cli.fakes import process
from cli.fakes.process import Running


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

"""The stand-ins as pytest fixtures (named in the root's conftest.py): one process of each for the whole run.

Every test begins without faults, and with nothing received.
"""

from collections.abc import Iterator

import pytest

from cli.fakes import process
from cli.fakes.process import Running


@pytest.fixture(scope="session")
def fcm_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """FCM, its certificates and its service account in `folder`."""
    with process.fcm(tmp_path_factory.mktemp("fcm")) as running:
        yield running


@pytest.fixture(scope="session")
def smtp_process() -> Iterator[Running]:
    """A mail server."""
    with process.smtp() as running:
        yield running


@pytest.fixture
def fcm(fcm_process: Running) -> Running:
    """FCM as new."""
    fcm_process.clear()
    return fcm_process


@pytest.fixture
def smtp(smtp_process: Running) -> Running:
    """The mail server as new."""
    smtp_process.clear()
    return smtp_process

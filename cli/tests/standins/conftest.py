import pytest

from cli.standins import trial


@pytest.fixture(scope="session")
def fcm_process(tmp_path_factory):
    with trial.fcm(tmp_path_factory.mktemp("fcm")) as running:
        yield running


@pytest.fixture(scope="session")
def smtp_process():
    with trial.smtp() as running:
        yield running


@pytest.fixture
def fcm(fcm_process):
    fcm_process.clear()
    return fcm_process


@pytest.fixture
def smtp(smtp_process):
    smtp_process.clear()
    return smtp_process

"""The providers' stand-ins as real processes, one of each for the whole run; every test begins without faults."""

import pytest

from cli.standins import trial
from notifier.effects.fcm import FcmCourier
from notifier.effects.smtp import SmtpCourier


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


@pytest.fixture
async def push_courier(fcm):
    courier = FcmCourier(fcm.web, fcm.folder / "service-account.json", ca_file=fcm.folder / "ca.pem")
    yield courier
    await courier.close()


@pytest.fixture
async def mail_courier(smtp):
    courier = SmtpCourier(f"smtp://127.0.0.1:{smtp.port}", "school@example.org", cooldown=0)
    yield courier
    await courier.close()

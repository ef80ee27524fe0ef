"""Build each service, for the topology step and the event table. Importing this module imports every service."""

from collections.abc import Callable, Mapping
from typing import Any

from files.main import build as build_files
from files.settings import Settings as FilesSettings
from gateway.main import build as build_gateway
from gateway.settings import Settings as GatewaySettings
from notifier.main import Couriers
from notifier.main import build as build_notifier
from notifier.providers.unconfigured import Unconfigured
from notifier.settings import Settings as NotifierSettings
from reports.main import build as build_reports
from reports.settings import Settings as ReportsSettings
from scheduler.main import build as build_scheduler
from scheduler.settings import Settings as SchedulerSettings
from shared.service.service import Service


def _notifier(**given: Any) -> Service:
    # Without its providers: these steps send nothing, so they need no credentials.
    settings = NotifierSettings(**given)
    return build_notifier(settings, Couriers(Unconfigured("FCM"), Unconfigured("SMTP"), settings))


BUILDS: Mapping[str, Callable[..., Service]] = {
    "gateway": lambda **given: build_gateway(GatewaySettings(**given)),
    "notifier": _notifier,
    "files": lambda **given: build_files(FilesSettings(**given)),
    "reports": lambda **given: build_reports(ReportsSettings(**given)),
    "scheduler": lambda **given: build_scheduler(SchedulerSettings(**given)),
}
"""Name → the service, wired from the environment, where settings that are given as keywords come first."""

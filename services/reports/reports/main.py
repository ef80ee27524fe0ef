"""Builds the reports service: numbers become documents."""

from reports.settings import Settings
from shared.service.service import Service


def build(settings: Settings) -> Service:
    """The service, wired."""
    return Service("reports", settings)

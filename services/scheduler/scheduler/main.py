"""Builds the scheduler service: what time triggers."""

from scheduler.settings import Settings
from shared.service import Service


def build(settings: Settings) -> Service:
    """The service, wired."""
    return Service("scheduler", settings)

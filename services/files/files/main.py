"""Builds the files service: documents become data."""

from files.settings import Settings
from shared.service.service import Service


def build(settings: Settings) -> Service:
    """The service, wired."""
    return Service("files", settings)

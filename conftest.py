"""Imports the packages before pytest names test modules after their folders: `shared/tests` is not in `shared`."""

import cli
import files
import gateway
import notifier
import reports
import scheduler
import shared

pytest_plugins = ["cli.standins.fixtures"]
PACKAGES = (cli, files, gateway, notifier, reports, scheduler, shared)

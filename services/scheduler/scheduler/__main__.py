"""`python -m scheduler`: the service's process."""

import shared.service.importing  # noqa: F401  # before what takes long
from scheduler.main import build
from scheduler.settings import Settings
from shared.service.server import run

run("scheduler", Settings, lambda settings: build(settings).app())

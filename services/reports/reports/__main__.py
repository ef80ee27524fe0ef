"""`python -m reports`: the service's process."""

import shared.service.importing  # noqa: F401  # before what takes long
from reports.main import build
from reports.settings import Settings
from shared.service.server import run

run("reports", Settings, lambda settings: build(settings).app())

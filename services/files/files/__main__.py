"""`python -m files`: the service's process."""

import shared.service.importing  # noqa: F401  # before what takes long
from files.main import build
from files.settings import Settings
from shared.service.server import run

run("files", Settings, lambda settings: build(settings).app())

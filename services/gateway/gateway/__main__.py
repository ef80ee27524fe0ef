"""`python -m gateway`: the service's process."""

import shared.service.importing  # noqa: F401  # before what takes long
from gateway.main import app, build_api
from gateway.settings import Settings
from shared.service.server import run

run("gateway", Settings, lambda settings: app(build_api(settings)))

"""`python -m gateway`: the service's process."""

from gateway.main import app
from gateway.settings import Settings
from shared.service.server import run

settings = Settings()
run("gateway", settings, app(settings))

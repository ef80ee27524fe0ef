"""`python -m gateway`: the service's process."""

from gateway.main import app
from gateway.settings import Settings
from shared.service.server import serve

settings = Settings()
serve("gateway", settings, app(settings))

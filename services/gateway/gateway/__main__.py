"""`python -m gateway`: the service's process."""

from gateway.main import app, build_api
from gateway.settings import Settings
from shared.service.server import serve

settings = Settings()
serve("gateway", settings, app(build_api(settings)))

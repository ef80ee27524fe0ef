"""`python -m scheduler`: the service's process."""

from scheduler.main import build
from scheduler.settings import Settings
from shared.service.server import serve

settings = Settings()
serve("scheduler", settings, build(settings).app())

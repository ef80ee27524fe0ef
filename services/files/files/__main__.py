"""`python -m files`: the service's process."""

from files.main import build
from files.settings import Settings
from shared.service.server import serve

settings = Settings()
serve("files", settings, build(settings).app())

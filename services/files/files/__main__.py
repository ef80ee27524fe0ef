"""`python -m files`: the service's process."""

from files.main import build
from files.settings import Settings
from shared.service.server import run

settings = Settings()
run("files", settings, build(settings).app())

"""`python -m files`: the service's process."""

from files.main import build
from files.settings import Settings
from shared.running import serve

settings = Settings()  # type: ignore[call-arg]  # the environment fills it
serve("files", settings, build(settings).app())

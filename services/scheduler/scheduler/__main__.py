"""`python -m scheduler`: the service's process."""

from scheduler.main import build
from scheduler.settings import Settings
from shared.running import serve

settings = Settings()  # type: ignore[call-arg]  # the environment fills it
serve("scheduler", settings, build(settings).app())

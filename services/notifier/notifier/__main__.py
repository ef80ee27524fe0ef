"""`python -m notifier`: the service's process."""

from notifier.main import build, couriers
from notifier.settings import Settings
from shared.running import serve

settings = Settings()  # type: ignore[call-arg]  # the environment fills it
serve("notifier", settings, build(settings, couriers(settings)).app())

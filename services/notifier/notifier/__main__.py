"""`python -m notifier`: the service's process."""

from notifier.main import build, couriers
from notifier.settings import Settings
from shared.service.server import run

settings = Settings()
run("notifier", settings, build(settings, couriers(settings)).app())

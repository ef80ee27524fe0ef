"""`python -m notifier`: the service's process."""

from notifier.main import build, couriers
from notifier.settings import Settings
from shared.service.server import run

run("notifier", Settings, lambda settings: build(settings, couriers(settings)).app())

"""The names of the five services. They stand alone so that `make down` works when a service cannot be imported."""

NAMES = ("gateway", "notifier", "files", "reports", "scheduler")

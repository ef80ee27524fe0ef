"""The five services by name. How each is built is in `builds`: a broken one shall not keep `make down` from running."""

NAMES = ("gateway", "notifier", "files", "reports", "scheduler")

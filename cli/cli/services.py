"""The names of the five services. What they are made of is in `builds`: a broken one shall not keep `down` from running."""

NAMES = ("gateway", "notifier", "files", "reports", "scheduler")

"""SchoolConnect notifier."""

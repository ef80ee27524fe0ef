"""SchoolConnect scheduler."""

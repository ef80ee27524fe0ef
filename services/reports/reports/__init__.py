"""SchoolConnect reports."""

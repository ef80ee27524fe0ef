"""SchoolConnect gateway."""

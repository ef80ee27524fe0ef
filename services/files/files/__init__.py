"""SchoolConnect files."""

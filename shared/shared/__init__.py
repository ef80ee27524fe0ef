"""The foundations every SchoolConnect service stands on."""

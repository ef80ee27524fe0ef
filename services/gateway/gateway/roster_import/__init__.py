"""Imports of OneRoster files."""

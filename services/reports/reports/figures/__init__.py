"""Figures of a report: SQL on the facts, as of a position in the log."""

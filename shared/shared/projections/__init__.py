"""Projections: rows kept in step with the event log."""

"""Fixtures and a fault proxy for tests."""

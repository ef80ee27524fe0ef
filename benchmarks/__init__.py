"""Measurements and faults at full size: `make bench`, `make chaos`. Scenarios are written against `harness`."""

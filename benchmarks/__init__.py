"""Measurements and faults at full size: `make bench`, `make chaos`. `harness` is what a scenario is written against."""

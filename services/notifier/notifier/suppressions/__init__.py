"""Addresses and people that a school does not write to."""

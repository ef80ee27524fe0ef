"""Behaviour reports: who did what when, how serious it was, and what was done."""

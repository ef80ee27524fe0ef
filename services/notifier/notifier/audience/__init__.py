"""Whom a send means: one home for the conditions that every statement asks."""

"""A service: its parts, its life, its HTTP application."""

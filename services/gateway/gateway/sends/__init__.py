"""Accepting a send: its schema, audience checks, and the commit of task, request and outbox row."""

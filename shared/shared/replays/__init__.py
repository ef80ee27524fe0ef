"""Replays: a service uses the event log again, as a task, for one of its consumers."""

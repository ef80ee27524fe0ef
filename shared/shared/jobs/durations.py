"""Measures how long tasks take from their start by a worker to their end."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Histogram


def job_seconds(registry: CollectorRegistry, kinds: Iterable[str]) -> Histogram:
    """Return a service's histogram of its long tasks, by what they read or make; each of `kinds` starts at 0."""
    seconds = Histogram(
        "schoolconnect_job_seconds",
        "Seconds that a worker spent on a task that reads a file or makes a report, however it ended",
        ["kind"],
        registry=registry,
        buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900),
    )
    for kind in kinds:
        seconds.labels(kind)
    return seconds

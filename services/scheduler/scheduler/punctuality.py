"""Measures how late runs are, and whether the claim loop still looks for them."""

from prometheus_client import CollectorRegistry, Gauge, Histogram


class Punctuality:
    """The scheduler's metrics of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lateness = Histogram(
            "schoolconnect_schedule_lateness_seconds",
            "Seconds from the time at which a run was due until it was published, or dropped because it was too late",
            registry=registry,
            buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200),
        )
        self.looked_at = Gauge(
            "schoolconnect_schedule_loop_last_success_timestamp_seconds",
            "When this replica looked for due schedules without an error last; its start if it has not",
            registry=registry,
        )
        self.looked_at.set_to_current_time()

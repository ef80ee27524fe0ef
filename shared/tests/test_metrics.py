"""What every service exports from its start."""

from prometheus_client import generate_latest

from shared.consumers.message_processor import OUTCOMES
from shared.events import NotificationCompleted
from shared.messaging.topology import reaction_queue
from shared.service.periodic import PeriodicTask
from shared.telemetry import Metrics


async def handle(event, tx):
    """Handle nothing."""


def exported(metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_counters_of_a_queue_start_at_zero(spine):
    service = spine.build()
    service.on(NotificationCompleted, handle)
    queue = reaction_queue(service.name, NotificationCompleted.topic).name
    for outcome in OUTCOMES:
        assert f'handled_total{{outcome="{outcome}",queue="{queue}"}} 0.0' in exported(service.metrics)


def test_the_process_and_its_version_are_exported(spine):
    text = exported(spine.build().metrics)
    assert "process_resident_memory_bytes " in text
    assert 'schoolconnect_build_info{service="' in text


def test_no_series_says_when_a_metric_was_created(spine):
    assert "_created" not in exported(spine.build().metrics)


async def test_a_failed_sweep_is_counted_and_violates_no_invariant():
    metrics = Metrics()

    async def fail() -> None:
        raise ValueError("broken")

    task = PeriodicTask("clean", 0.0, fail, metrics)
    before = metrics.swept_at.labels("clean")._value.get()
    await task.run_once()
    assert metrics.sweeps_failed.labels("clean")._value.get() == 1
    assert metrics.swept_at.labels("clean")._value.get() == before
    assert "sweep_failed" not in exported(metrics).replace("sweeps_failed", "")

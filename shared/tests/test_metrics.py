"""What every service exports from its start."""

import asyncio

from prometheus_client import generate_latest

from shared.consumers.message_processor import OUTCOMES
from shared.events import NotificationCompleted
from shared.messaging.topology import reaction_queue
from shared.service.dependency_probe import DependencyProbe
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
    assert 'schoolconnect_build_info{version="' in text


def test_an_application_is_built_twice_from_one_service(spine):
    service = spine.build()
    service.app()
    service.app()


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


async def test_an_idle_service_says_that_its_database_or_its_broker_is_away():
    metrics, broker, reasons = Metrics(), asyncio.Event(), []

    async def check() -> None:
        if reasons:
            raise OSError(reasons[0])

    probe = DependencyProbe(check, broker, metrics)
    await probe.ask()
    assert "schoolconnect_database_up 1.0" in exported(metrics)
    assert "schoolconnect_broker_up 0.0" in exported(metrics)
    reasons.append("disk full")
    broker.set()
    await probe.ask()
    assert "schoolconnect_database_up 0.0" in exported(metrics)
    assert "schoolconnect_broker_up 1.0" in exported(metrics)

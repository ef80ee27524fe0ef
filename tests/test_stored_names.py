"""What brokers and databases of running systems store by name is what it was: to rename a function moves nothing.

A name that is changed here on purpose needs a migration: its queue is drained for a release, its offset is moved.
"""

from typing import get_args

import pytest

from cli.operations.service_builders import BUILDS
from shared.events import NotificationDue, NotificationRequested
from shared.events.notifications import Kind
from shared.messaging import topology
from shared.testing.fixtures import Backing, write_keys

RETRIES = ("retry.5s", "retry.60s", "retry.600s")
QUEUES = {
    "files": {
        *RETRIES,
        "consumers.ordered",
        "replay.requested",
        "work.replay",
        "file.uploaded",
        "files.cleanup_due",
        "log.remember_directory",
        "task.cancel_requested",
        "work.processing",
    },
    "gateway": {
        *RETRIES,
        "consumers.ordered",
        "replay.requested",
        "work.replay",
        "absence.recorded",
        "behavior.recorded",
        "device.invalidated",
        "file.confirmed",
        "file.deleted",
        "file.processed",
        "file.restored",
        "log.remember_runs",
        "log.remember_tasks",
        "notification.due",
        "payment.recorded",
        "report.ready",
        "task.cancel_requested",
        "tasks.expiry_due",
        "work.imports",
    },
    "notifier": {
        *RETRIES,
        "consumers.ordered",
        "replay.requested",
        "work.replay",
        "log.remember_directory",
        "notification.due",
        "notification.requested",
        "notification.safety",
        "task.cancel_requested",
        "work.mail.bulk",
        "work.mail.digest",
        "work.mail.safety",
        "work.mail.urgent",
        "work.planning",
        "work.planning.safety",
        "work.push.bulk",
        "work.push.digest",
        "work.push.safety",
        "work.push.urgent",
    },
    "reports": {
        *RETRIES,
        "consumers.ordered",
        "replay.requested",
        "work.replay",
        "log.remember_facts",
        "report.requested",
        "reports.cleanup_due",
        "reports.monthly_due",
        "task.cancel_requested",
        "work.cleanup",
        "work.reports",
    },
    "scheduler": {
        *RETRIES,
        "consumers.ordered",
        "replay.requested",
        "work.replay",
        "log.remember_schools",
        "schedule.requested",
        "task.cancel_requested",
    },
}
"""Service → its queues, each after the service's name and a dot."""

SHARED = {"school.dead", "school.log.directory", "school.log.records", "school.log.tasks", "school.log.work"}
PROJECTIONS = {
    "files": {"remember_directory"},
    "gateway": {"remember_tasks"},
    "notifier": {"remember_directory"},
    "reports": {"remember_facts"},
    "scheduler": {"remember_schools"},
}
"""Service → the names in `log_offset`, which operators type as well."""


@pytest.fixture
def services(tmp_path, monkeypatch):
    """Every service, wired, connected to nothing."""
    write_keys(tmp_path)
    backing = Backing("postgresql://nobody@127.0.0.1:1/none", "amqp://127.0.0.1:1/", tmp_path)
    for name, value in backing.environment("gateway").items():
        monkeypatch.setenv(name, value)
    return {name: build() for name, build in BUILDS.items()}


def test_queues_keep_their_names(services):
    shared = {queue.name for queue in topology.spine().queues}
    found = {name: {queue.name for queue in service.topology().queues} - shared for name, service in services.items()}
    assert found == {name: {f"{name}.{queue}" for queue in queues} for name, queues in QUEUES.items()}
    assert shared == SHARED


@pytest.mark.parametrize("intent", [NotificationRequested, NotificationDue])
@pytest.mark.parametrize("kind", get_args(Kind))
def test_trust_4_an_alarm_reaches_a_queue_of_its_own_and_every_intent_each_service_once(services, intent, kind):
    reading = {NotificationRequested: {"notifier"}, NotificationDue: {"gateway", "notifier"}}[intent]
    event = intent.model_construct(kind=kind)
    queues = [queue for service in services.values() for queue in service.topology().queues]
    found = [queue.name for queue in queues if (topology.EVENTS, event.routing_key) in queue.bindings]
    assert sorted(name.partition(".")[0] for name in found) == sorted(reading)
    assert ("notifier.notification.safety" in found) == (kind == "safety")
    assert topology.stream_of(event.routing_key) == topology.stream_of(event.topic)


def test_projections_keep_the_names_of_their_offsets(services):
    assert {name: set(service.projections) for name, service in services.items()} == PROJECTIONS

"""Each table that names a person is part of the export of a person's data, or it is said here why not."""

import re

import pytest

import files.personal_data
import files.tables
import gateway.directory.personal_data as gateway_data
import gateway.tables
import notifier.personal_data
import notifier.tables
import reports.personal_data
import reports.tables
import scheduler.personal_data
import scheduler.tables

COPY = "a copy of what the gateway exports"
INTERNAL = "says how a message or a task is handled, and has no field of a person but their id"
SERVICES = {
    "gateway": (gateway.tables.GatewayTable, (gateway_data.SCHOOL_PARTS, gateway_data.ACCOUNT_PARTS)),
    "notifier": (notifier.tables.NotifierTable, (notifier.personal_data.PERSONAL_DATA,)),
    "files": (files.tables.FilesTable, (files.personal_data.PERSONAL_DATA,)),
    "reports": (reports.tables.ReportsTable, (reports.personal_data.PERSONAL_DATA,)),
    "scheduler": (scheduler.tables.SchedulerTable, (scheduler.personal_data.PERSONAL_DATA,)),
}
LEFT_OUT = {
    "gateway.person": "the field `person` of the export, with contacts and preferences",
    "gateway.contact": "in the field `person`",
    "gateway.preference": "in the field `person`",
    "gateway.upload": "the file service exports the file",
    "gateway.schedule_intent": "the scheduler exports the schedule",
    "gateway.failure": "a message as it was published: its personal fields are encrypted",
    "gateway.failure_retry": INTERNAL,
    "gateway.failure_retry_selection": INTERNAL,
    "files.tombstone": INTERNAL,
    "notifier.person": COPY,
    "notifier.contact": COPY,
    "notifier.device": COPY,
    "notifier.preference": COPY,
    "notifier.membership": COPY,
    "notifier.student": COPY,
    "notifier.guardianship": COPY,
    "notifier.forgotten": "only erased people are in it",
    "files.person": COPY,
    "files.student": COPY,
    **{
        f"reports.{name}_fact": COPY
        for name in ("student", "person", "membership", "behavior", "payment", "absence", "grade", "remark")
    },
    "reports.read_fact": "the notifier exports when a person read something",
}
OF_PEOPLE = re.compile(r"(person|student|guardian)_id$|_by$|^about$")


def named(service):
    """Tables of a service with a column that holds the id of a person."""
    base, _ = SERVICES[service]
    tables = base.metadata.tables.values()
    return {
        f"{service}.{table.name}"
        for table in tables
        if any(OF_PEOPLE.search(name) for name in set(table.columns.keys()))
    }


def exported(service):
    """Tables that the statements of a service read."""
    _, parts = SERVICES[service]
    statements = "\n".join(statement for part in parts for statement in part.statements.values())
    return {f"{service}.{name}" for name in re.findall(r"(?:FROM|JOIN) (\w+)", statements)}


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_that_names_a_person_is_exported_or_left_out_for_a_reason(service):
    assert named(service) - exported(service) - LEFT_OUT.keys() == set()


def test_what_is_left_out_exists():
    assert LEFT_OUT.keys() <= set().union(*map(named, SERVICES))

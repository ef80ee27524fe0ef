"""The tables as they are declared are the tables that the migrations make."""

from scheduler.tables import SchedulerTable
from shared.persistence.tables import SpineTable
from shared.testing.drift import drift


def test_the_declared_tables_are_those_that_migrations_make(backing):
    assert drift(backing.admin_url, "scheduler", SchedulerTable.metadata, beside=SpineTable.metadata.tables) == []

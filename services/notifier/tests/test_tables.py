"""The tables as they are declared are the tables that the migrations make."""

from notifier.tables import NotifierTable
from shared.persistence.tables import SpineTable
from shared.testing.drift import drift
from shared.testing.fixtures import fresh_database


def test_the_declared_tables_are_those_that_migrations_make():
    with fresh_database(["notifier"]) as database:
        assert drift(database, "notifier", NotifierTable.metadata, beside=SpineTable.metadata.tables) == []

"""The tables as they are declared are the tables that the migrations make."""

from gateway.tables import GatewayTable
from shared.persistence.tables import SpineTable
from shared.testing.drift import drift
from shared.testing.fixtures import fresh_database


def test_the_declared_tables_are_those_that_migrations_make():
    with fresh_database(["gateway"]) as database:
        assert drift(database, "gateway", GatewayTable.metadata, beside=SpineTable.metadata.tables) == []

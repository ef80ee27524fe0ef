"""The tables as they are declared, held against those that the migrations make."""

import pytest

from reports.tables import ReportsTable
from shared.persistence.tables import SpineTable
from shared.testing.drift import drift, unprotected
from shared.testing.fixtures import fresh_database


@pytest.fixture(scope="module")
def database():
    with fresh_database(["reports"]) as url:
        yield url


def test_the_declared_tables_are_those_that_migrations_make(database):
    assert drift(database, "reports", ReportsTable.metadata, beside=SpineTable.metadata.tables) == []


def test_tables_with_rows_of_schools_force_row_level_security(database):
    assert unprotected(database, "reports", ReportsTable.metadata) == []

"""The tables as they are declared, compared with those that the migrations make."""

from files.tables import FilesTable
from shared.persistence.tables import SpineTable
from shared.testing.drift import drift, unprotected


def test_the_declared_tables_are_those_that_migrations_make(backing):
    assert drift(backing.admin_url, "files", FilesTable.metadata, beside=SpineTable.metadata.tables) == []


def test_tables_with_rows_of_schools_force_row_level_security(backing):
    assert unprotected(backing.admin_url, "files", FilesTable.metadata) == []

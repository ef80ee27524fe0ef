"""The spine's tables as they are declared, held against those that the migrations make; and what counts as drift."""

import psycopg
import pytest

from shared.persistence.tables import SpineTable, VaultTable
from shared.testing.drift import drift, unprotected
from shared.testing.fixtures import fresh_database

OTHER_CONDITION = """
DROP INDEX files.ix_task_lease_permitted_until;
CREATE INDEX ix_task_lease_permitted_until ON files.task_lease (permitted_until) WHERE attempts = 0
"""
OWN_CONDITION = (
    "-- only declared: task_lease: CREATE INDEX ix_task_lease_permitted_until ON task_lease USING btree "
    "(permitted_until) WHERE ended_at IS NULL"
)


@pytest.fixture
def database():
    """A service without tables of its own has the spine's."""
    with fresh_database(["files"]) as url:
        yield url


def test_the_declared_spine_is_what_migrations_make(database):
    assert drift(database, "files", SpineTable.metadata) == []
    assert drift(database, "vault", VaultTable.metadata) == []


def test_a_table_of_schools_that_is_not_protected_is_found(database):
    assert unprotected(database, "files", SpineTable.metadata) == []
    with psycopg.connect(database) as connection:
        connection.execute("ALTER TABLE files.task_track NO FORCE ROW LEVEL SECURITY")
    assert unprotected(database, "files", SpineTable.metadata) == ["task_track"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("ALTER TABLE files.outbox ADD COLUMN stray int", "ALTER TABLE outbox DROP COLUMN stray"),
        ("ALTER TABLE files.outbox DROP COLUMN lease", "ALTER TABLE outbox ADD COLUMN lease UUID"),
        (
            "ALTER TABLE files.outbox ALTER COLUMN failures TYPE bigint",
            "ALTER TABLE outbox ALTER COLUMN failures TYPE INTEGER",
        ),
        (
            "ALTER TABLE files.outbox ALTER COLUMN failures SET DEFAULT 1",
            "ALTER TABLE outbox ALTER COLUMN failures SET DEFAULT 0",
        ),
        (
            "ALTER TABLE files.outbox ALTER COLUMN data DROP NOT NULL",
            "ALTER TABLE outbox ALTER COLUMN data SET NOT NULL",
        ),
        ("DROP INDEX files.ix_inbox_handled_at", "CREATE INDEX ix_inbox_handled_at ON inbox USING brin (handled_at)"),
        ("CREATE TABLE files.stray (id int)", "DROP TABLE stray"),
        (
            "ALTER TABLE vault.key DROP CONSTRAINT ck_key_erased",
            "-- only declared: key: ck_key_erased CHECK (((wrapped IS NULL) = (erased_at IS NOT NULL)))",
        ),
        (
            "ALTER TABLE files.task_track ADD CONSTRAINT uq_task_track_kind UNIQUE (kind)",
            "ALTER TABLE task_track DROP CONSTRAINT uq_task_track_kind",
        ),
        (
            "ALTER TABLE files.inbox RENAME CONSTRAINT pk_inbox TO other",
            "-- only migrated: inbox: other PRIMARY KEY (message_id, consumer)",
        ),
        (OTHER_CONDITION, OWN_CONDITION),
    ],
)
def test_every_kind_of_difference_is_found(database, change, found):
    # given
    with psycopg.connect(database) as connection:
        connection.execute(change)
    # when, then
    differences = drift(database, "files", SpineTable.metadata) + drift(database, "vault", VaultTable.metadata)
    assert found in differences

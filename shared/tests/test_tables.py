"""The spine's tables as they are declared, held against those that the migrations make; and what counts as drift."""

import sys

import psycopg
import pytest

from shared.persistence.tables import SpineTable, VaultTable
from shared.testing.drift import drift, unprotected
from shared.testing.fixtures import fresh_database

OTHER_CONDITION = """
DROP INDEX bare.ix_task_lease_permitted_until;
CREATE INDEX ix_task_lease_permitted_until ON bare.task_lease (permitted_until) WHERE attempts = 0
"""
OWN_CONDITION = (
    "-- only declared: task_lease: CREATE INDEX ix_task_lease_permitted_until ON task_lease USING btree "
    "(permitted_until) WHERE ended_at IS NULL"
)


SERVICE = "bare"


@pytest.fixture(scope="module", autouse=True)
def _bare_service(tmp_path_factory):
    """A service without tables of its own, which has the spine's."""
    folder = tmp_path_factory.mktemp("services")
    (folder / SERVICE / "migrations" / "versions").mkdir(parents=True)
    (folder / SERVICE / "__init__.py").touch()
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


@pytest.fixture
def database():
    with fresh_database([SERVICE]) as url:
        yield url


def test_the_declared_spine_is_what_migrations_make(database):
    assert drift(database, SERVICE, SpineTable.metadata) == []
    assert drift(database, "vault", VaultTable.metadata) == []


def test_a_table_of_schools_that_is_not_protected_is_found(database):
    assert unprotected(database, SERVICE, SpineTable.metadata) == []
    with psycopg.connect(database) as connection:
        connection.execute("ALTER TABLE bare.task_track NO FORCE ROW LEVEL SECURITY")
    assert unprotected(database, SERVICE, SpineTable.metadata) == ["task_track"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("ALTER TABLE bare.outbox ADD COLUMN stray int", "ALTER TABLE outbox DROP COLUMN stray"),
        ("ALTER TABLE bare.outbox DROP COLUMN lease", "ALTER TABLE outbox ADD COLUMN lease UUID"),
        (
            "ALTER TABLE bare.outbox ALTER COLUMN failures TYPE bigint",
            "ALTER TABLE outbox ALTER COLUMN failures TYPE INTEGER",
        ),
        (
            "ALTER TABLE bare.outbox ALTER COLUMN failures SET DEFAULT 1",
            "ALTER TABLE outbox ALTER COLUMN failures SET DEFAULT 0",
        ),
        (
            "ALTER TABLE bare.outbox ALTER COLUMN data DROP NOT NULL",
            "ALTER TABLE outbox ALTER COLUMN data SET NOT NULL",
        ),
        ("DROP INDEX bare.ix_inbox_handled_at", "CREATE INDEX ix_inbox_handled_at ON inbox USING brin (handled_at)"),
        ("CREATE TABLE bare.stray (id int)", "DROP TABLE stray"),
        (
            "ALTER TABLE vault.key DROP CONSTRAINT ck_key_erased",
            "-- only declared: key: ck_key_erased CHECK (((wrapped IS NULL) = (erased_at IS NOT NULL)))",
        ),
        (
            "ALTER TABLE bare.task_track ADD CONSTRAINT uq_task_track_kind UNIQUE (kind)",
            "ALTER TABLE task_track DROP CONSTRAINT uq_task_track_kind",
        ),
        (
            "ALTER TABLE bare.inbox RENAME CONSTRAINT pk_inbox TO other",
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
    differences = drift(database, SERVICE, SpineTable.metadata) + drift(database, "vault", VaultTable.metadata)
    assert found in differences

"""PostgreSQL writes statements that fail, and slow ones, into its log: no name, address or password is among them.

A server of the tests' own, because its log is what is looked at.
"""

import uuid

import psycopg
import pytest
import pytest_asyncio

from cli.backing import postgres, select
from cli.layout import Layout
from cli.processes.fleet import Fleet
from cli.processes.ports import pick
from cli.processes.process_table import ProcessTable
from cli.stack.removal import remove
from shared.events import PersonChanged, SchoolChanged
from shared.events.directory import Contact
from shared.persistence.database import Database
from shared.testing.fixtures import fresh_database, service_url
from shared.transactions.unit_of_work import UnitOfWorkFactory

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = "Kanarienvogel"
PASSWORD = "Kanarienvogel-password"
RAISES = """
CREATE FUNCTION gateway.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN {body}; RETURN NEW; END $$;
"""
REFUSE = RAISES.format(body="RAISE EXCEPTION 'refused on purpose'")
FAULTS = {
    "at the insert": REFUSE
    + "CREATE TRIGGER fault BEFORE INSERT ON gateway.outbox FOR EACH ROW EXECUTE FUNCTION gateway.refuse()",
    "at the commit": REFUSE
    + "CREATE CONSTRAINT TRIGGER fault AFTER INSERT ON gateway.outbox DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION gateway.refuse()",
    "by a constraint": "ALTER TABLE gateway.outbox ADD CONSTRAINT fault CHECK (routing_key <> 'person.changed')",
    "by a time limit": RAISES.format(body="PERFORM pg_sleep(10)")
    + "CREATE TRIGGER fault BEFORE INSERT ON gateway.outbox FOR EACH ROW EXECUTE FUNCTION gateway.refuse()",
    "slowly": RAISES.format(body="PERFORM pg_sleep(1.2)")
    + "CREATE TRIGGER fault BEFORE INSERT ON gateway.outbox FOR EACH ROW EXECUTE FUNCTION gateway.refuse()",
}
MENDED = """
DROP TRIGGER IF EXISTS fault ON gateway.outbox;
DROP FUNCTION IF EXISTS gateway.refuse();
ALTER TABLE gateway.outbox DROP CONSTRAINT IF EXISTS fault;
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory):
    """Our own PostgreSQL: its URL and its log."""
    if "postgres" in select.missing({}):
        pytest.skip("PostgreSQL is a container here")
    place = Layout(tmp_path_factory.mktemp("server"))
    place.log.mkdir(parents=True)
    port, user = pick(["postgres"])["postgres"], postgres.server_user()
    home = postgres.home(place, user) / "postgres"
    fleet = Fleet(place.log, ProcessTable(place.processes))
    try:
        await fleet.start(*postgres.specs(postgres.find(), home, port, PASSWORD, user))
        yield postgres.url(port, PASSWORD), fleet.log("postgres")
    finally:
        await fleet.stop()
        await remove(place)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(server):
    """The gateway's transactions on that server, and an administrator's connection."""
    url, _ = server
    with fresh_database(["gateway"], url) as admin_url, psycopg.connect(admin_url, autocommit=True) as admin:
        database = Database(service_url(admin_url, "gateway"), "gateway")
        await database.open()
        try:
            yield UnitOfWorkFactory(database, "gateway"), admin
        finally:
            await database.close()


def person():
    contact = Contact(kind="mail", address=f"{CANARY}@example.org")
    return PersonChanged(person_id=uuid.uuid4(), version=1, given_name=CANARY, family_name=CANARY, contacts=(contact,))


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_commit_that_fails_leaves_no_name_in_the_servers_log(server, gateway, fault):
    # given
    transactions, admin = gateway
    _, log = server
    admin.execute(FAULTS[fault])
    before = len(log.read_text())
    school = uuid.uuid4()
    # when
    try:
        async with transactions.begin() as tx:
            await tx.execute("SET LOCAL statement_timeout = 3000")
            tx.emit(SchoolChanged(school_id=school, name="Demo", timezone="UTC", version=1))
            tx.emit(person())
    except psycopg.Error:
        failed = True
    else:
        failed = False
    finally:
        admin.execute(MENDED)
    # then: the log has the statement, with nobody in it
    said = log.read_text()[before:]
    assert failed == (fault != "slowly")
    assert ("COMMIT" if fault == "at the commit" else "INSERT INTO outbox") in said
    assert CANARY not in said
    left = admin.execute("DELETE FROM gateway.outbox").rowcount
    assert left == (0 if failed else 2)


async def test_a_statement_of_a_handler_that_fails_or_is_slow_leaves_no_name(server, gateway):
    transactions, _ = gateway
    _, log = server
    before = len(log.read_text())
    values = {"id": uuid.uuid4(), "name": CANARY}

    async def run(statement):
        async with transactions.begin() as tx:
            await tx.execute(statement, values)

    # when
    await run("SELECT %(id)s::uuid, pg_sleep(2.1), %(name)s::text")
    with pytest.raises(psycopg.errors.NotNullViolation):
        await run("INSERT INTO person (person_id, given_name, version) VALUES (%(id)s, %(name)s, NULL)")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await run("SELECT 1 / (length(%(name)s) - length(%(name)s)), %(id)s::uuid")
    # then
    said = log.read_text()[before:]
    assert said.count("STATEMENT:") == 2
    assert "pg_sleep" in said
    assert CANARY not in said


async def test_both_facts_are_emitted_together_or_not_at_all(gateway):
    transactions, admin = gateway
    async with transactions.begin() as tx:
        tx.emit(SchoolChanged(school_id=uuid.uuid4(), name="Demo", timezone="UTC", version=1))
        tx.emit(person())
        tx.emit(SchoolChanged(school_id=uuid.uuid4(), name="Demo", timezone="UTC", version=1))
    kinds = [row[0] for row in admin.execute("DELETE FROM gateway.outbox RETURNING routing_key")]
    assert sorted(kinds) == ["person.changed", "school.changed", "school.changed"]


async def test_the_migration_leaves_no_password_in_the_servers_log(server):
    """`log_statement = ddl` writes what changes roles; many clusters are set so."""
    url, log = server
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET log_statement = 'ddl'")
        admin.execute("SELECT pg_reload_conf()")
        try:
            before = len(log.read_text())
            with fresh_database(["scheduler"], url) as made, psycopg.connect(service_url(made, "scheduler")) as login:
                login.execute("SELECT 1")
            said = log.read_text()[before:]
        finally:
            admin.execute("ALTER SYSTEM RESET log_statement")
            admin.execute("SELECT pg_reload_conf()")
    assert 'ROLE "scheduler" LOGIN' in said
    assert "'test'" not in said

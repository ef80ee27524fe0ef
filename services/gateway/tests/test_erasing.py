"""A person who is erased is gone from every table of the gateway, from what it sends, and does not come back."""

import json
from uuid import uuid4

import pytest

from shared.events import PersonChanged

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = "canary-7d1c"
TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('gateway', 'vault') AND c.relkind = 'r'
"""
LAST = """
SELECT data FROM outbox WHERE routing_key = 'person.changed' AND data::jsonb ->> 'person_id' = %s
ORDER BY position DESC LIMIT 1
"""


def plain(admin):
    """Names of the tables that hold the canary anywhere."""
    schemas = {"key": "vault"}
    found = []
    for (table,) in admin.execute(TABLES).fetchall():
        schema = schemas.get(table, "gateway")
        query = f'SELECT count(*) FROM {schema}."{table}" t WHERE t::text LIKE %s'
        if admin.execute(query, (f"%{CANARY}%",)).fetchone()[0]:
            found.append(table)
    return found


async def test_promise_14_an_erased_person_leaves_no_plaintext_and_does_not_come_back(gateway, admin, roster, person):
    # given
    name = f"{CANARY}-1"
    rows = [
        person(name, "oak", "student", "g-1", "07", givenName=CANARY, email=f"{CANARY}@example.org"),
        person("g-1", "oak"),
    ]
    content = roster(["oak"], rows)
    await gateway.run_import(await gateway.open_import(content))
    (found,) = (await gateway.ask("GET", "/v1/people", params={"sourced_id": name})).json()["items"]
    who, school = found["id"], found["memberships"][0]["school_id"]
    device = {"token": f"{CANARY}-token", "platform": "web"}
    assert (await gateway.ask("PUT", "/v1/me/devices", "student", school, who, json=device)).status_code == 200
    admin.execute("INSERT INTO gateway.account (person_id, firebase_uid) VALUES (%s, %s)", (who, f"{CANARY}-uid"))
    admin.execute("INSERT INTO gateway.account_name VALUES (%s, %s)", (f"{CANARY}-name", who))
    absence = {"student_id": who, "day": "2026-11-02", "reason": f"{CANARY} flu"}
    recorded = await gateway.ask("POST", "/v1/absences", "staff", school, json=absence)
    assert recorded.status_code == 201
    held = {"person", "contact", "device", "outbox", "account", "account_name", "record"}
    assert held <= set(plain(admin))
    # when
    assert (await gateway.ask("DELETE", f"/v1/people/{who}")).status_code == 204
    # then
    assert plain(admin) == []
    (row,) = await gateway.rows(LAST, (who,))
    fact = PersonChanged(**json.loads(row["data"]))
    assert (fact.active, fact.given_name, fact.contacts, fact.devices) == (False, "", (), ())
    assert fact.erased
    assert fact.erased_at
    assert admin.execute("SELECT wrapped FROM vault.key WHERE subject = %s", (who,)).fetchone() == (None,)
    # and: gone for good
    assert (await gateway.ask("DELETE", f"/v1/people/{who}")).status_code == 404
    assert (await gateway.ask("GET", f"/v1/people/{who}", "staff", school)).status_code == 404
    # when: the roster still names them
    task = await gateway.open_import(content)
    await gateway.run_import(task)
    # then
    assert plain(admin) == []
    (complaint,) = await gateway.rows("SELECT * FROM import_rejection WHERE task_id = %s", (task,))
    assert (complaint["file"], complaint["line"], complaint["column"]) == ("users.csv", 2, "sourcedId")
    assert "erased" in complaint["reason"]


async def test_a_school_cannot_erase_a_person(gateway):
    school = await gateway.add_school()
    who = await gateway.add_person(school)
    assert (await gateway.ask("DELETE", f"/v1/people/{who}", "school_admin", school)).status_code == 403
    assert (await gateway.ask("DELETE", f"/v1/people/{uuid4()}")).status_code == 404

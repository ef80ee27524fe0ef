"""The audit: what was decided and administered, by whom, and what came of it; added to and never changed."""

from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from gateway.accounts import sessions
from gateway.accounts.api_keys import digest
from gateway.security.audit import STORED
from gateway.security.audit_retention import of_audit
from shared.service.retention import prune

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = "canary-77ac"


@pytest_asyncio.fixture(loop_scope="module")
async def school(gateway):
    return await gateway.add_school()


async def acts(gateway, school, **params):
    answer = await gateway.ask("GET", "/v1/audit", "school_admin", school, uuid4(), params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_an_act_is_there_with_who_what_where_and_its_outcome(gateway, school):
    admin = uuid4()
    body = {"name": CANARY, "scopes": ["people:read"]}
    made = await gateway.ask("POST", "/v1/keys", "school_admin", school, admin, json=body)
    await gateway.ask("DELETE", f"/v1/keys/{uuid4()}", "school_admin", school, admin)
    await gateway.ask("POST", "/v1/keys", "school_admin", school, admin, json={"name": CANARY, "scopes": [CANARY]})
    await gateway.ask("POST", "/v1/keys", "teacher", school, admin, json=body)
    # then
    found = await acts(gateway, school, person=str(admin))
    outcome = [(act["action"], act["status"], act["code"], act["role"]) for act in found]
    assert outcome == [
        ("POST /v1/keys", 403, "forbidden", "teacher"),
        ("POST /v1/keys", 422, "invalid", "school_admin"),
        ("DELETE /v1/keys/{key_id}", 404, "not_found", "school_admin"),
        ("POST /v1/keys", 201, None, "school_admin"),
    ]
    assert found[-1]["subject"] == {"key_id": made.json()["id"]}
    assert {act["school_id"] for act in found} == {str(school)}
    assert CANARY not in str(found)


async def test_what_the_group_does_at_a_school_is_seen_there_and_nowhere_else(gateway, school):
    other = await gateway.add_school()
    body = {"name": "Group's", "scopes": ["people:read"], "school": str(school)}
    assert (await gateway.ask("POST", "/v1/keys", json=body)).status_code == 201
    assert [act["role"] for act in await acts(gateway, school, action="POST /v1/keys")] == ["platform_admin"]
    assert await acts(gateway, other) == []
    anywhere = await gateway.ask("GET", "/v1/audit", params={"school": str(school)})
    assert len(anywhere.json()["items"]) == 1


async def test_pages_and_filters(gateway, school):
    admin = uuid4()
    for _ in range(3):
        await gateway.ask("DELETE", f"/v1/keys/{uuid4()}", "school_admin", school, admin)
    made = await gateway.ask(
        "POST", "/v1/keys", "school_admin", school, admin, json={"name": "x", "scopes": ["people:read"]}
    )
    assert made.status_code == 201
    assert len(await acts(gateway, school, refused=True)) == 3
    assert await acts(gateway, school, until="2020-01-01T00:00:00Z") == []
    assert len(await acts(gateway, school, since="2020-01-01T00:00:00Z")) == 4
    seen, after = [], {}
    while True:
        page = await gateway.ask("GET", "/v1/audit", "school_admin", school, admin, params={"limit": 2, **after})
        seen += [act["id"] for act in page.json()["items"]]
        if page.json()["next"] is None:
            break
        after = {"after": page.json()["next"]}
    assert len(seen) == len(set(seen)) == 4
    assert seen == sorted(seen, reverse=True)


async def test_sign_ins_are_kept_whether_they_succeed_or_not_and_no_name_is(gateway):
    name = f"{CANARY}-{uuid4().hex}"
    await gateway.client.post("/v1/sessions", json={"name": name, "password": "wrong"})
    found = await gateway.ask("GET", "/v1/audit", params={"action": "POST /v1/sessions", "refused": True, "limit": 1})
    (act,) = found.json()["items"]
    assert (act["status"], act["code"], act["subject"]) == (401, "credentials_refused", {"by": "password"})
    assert CANARY not in found.text


async def test_refused_attempts_are_counted_and_not_stored_one_by_one(gateway, school):
    guardian = await gateway.add_person(school)
    for _ in range(12):
        answer = await gateway.ask("DELETE", f"/v1/keys/{uuid4()}", "guardian", school, guardian)
        assert answer.status_code == 403
    assert len(await acts(gateway, school, person=str(guardian))) == STORED
    query = "SELECT attempts FROM refused_attempt WHERE actor = %s"
    assert await gateway.one(query, (f"person {guardian}",)) == 12


async def test_a_refresh_token_in_two_hands_is_kept(gateway, school):
    """Somebody's session was stolen, or its app is wrong: both want to be known."""
    # given
    person = await gateway.add_person(school, "staff")
    token = uuid4().hex
    values = {"hash": digest(token), "family": uuid4(), "person": person, "role": "staff", "school": school}
    async with gateway.service.transactions.begin() as tx:
        await tx.execute(sessions.OPEN_SESSION, values | {"seconds": 60})
    # when
    for status in (200, 401):
        answer = await gateway.client.post("/v1/sessions/refresh", json={"refresh_token": token})
        assert answer.status_code == status
    # then
    found = await gateway.ask("GET", "/v1/audit", params={"person": str(person)})
    (act,) = found.json()["items"]
    assert (act["action"], act["status"], act["code"]) == ("POST /v1/sessions/refresh", 401, "credentials_refused")


@pytest.mark.parametrize("statement", ["UPDATE audit SET status = 200", "DELETE FROM audit", "TRUNCATE audit"])
@pytest.mark.parametrize("role", ["app", "worker"])
async def test_no_role_at_run_time_changes_or_removes_a_row(gateway, school, role, statement):
    await gateway.ask("DELETE", f"/v1/keys/{uuid4()}", "school_admin", school, uuid4())
    rows = gateway.service.transactions
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with rows.request(school) if role == "app" else rows.begin() as tx:
            await tx.execute(statement)
    assert len(await acts(gateway, school)) == 1


OLD = """
INSERT INTO audit (audit_id, at, school_id, action, subject, status)
SELECT gen_random_uuid(), now() - make_interval(days => age), %s, 'DELETE /demo', '{}', 200
FROM unnest(%s::int[]) AS age
"""


async def test_acts_are_pruned_by_policy_and_none_of_the_last_year_whatever_the_policy(gateway, school):
    rows = gateway.service.transactions
    async with rows.begin() as tx:
        await tx.execute(OLD, (school, [1_101, 1_099, 400]))
    await prune(rows, (of_audit(1_100),))
    assert len(await acts(gateway, school)) == 2
    # a request deletes none
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with rows.request(school) as tx:
            await tx.execute("DELETE FROM audit WHERE at < now() - interval '399 days'")
    # and a policy that no setting allows is refused by the database
    await gateway.ask("DELETE", f"/v1/keys/{uuid4()}", "school_admin", school, uuid4())
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await prune(rows, (of_audit(0),))
    assert len(await acts(gateway, school)) == 3

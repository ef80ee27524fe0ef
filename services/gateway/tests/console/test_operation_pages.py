"""The pages of operators: each role opens its own, a school sees itself only, and a number typed decides."""

import re
from uuid import uuid4

import pytest
import pytest_asyncio
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from gateway.routers import CONSOLE_ACCESS

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = "canary of another school"
PAGES = sorted(
    route for (method, route), access in CONSOLE_ACCESS.items() if method == "GET" and access.roles and "{" not in route
)
FAILURE = """
INSERT INTO failure
    (school_id, message_id, queue, type, error, fingerprint, attempts, first_failed, last_failed, headers, body)
VALUES (%(school)s, %(id)s, %(queue)s, 'demo.type', %(error)s, 'demo', 5, now(), now(), %(headers)s, '')
"""


async def fail(gateway, school, queue, count=1, error="ValueError: demo"):
    async with gateway.service.transactions.begin() as tx:
        for _ in range(count):
            values = {"school": school, "id": str(uuid4()), "queue": queue, "error": error, "headers": Jsonb({})}
            await tx.execute(FAILURE, values)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def other(gateway):
    """Another school, whose rows all say so."""
    school, task = await gateway.add_school(), uuid7()
    await fail(gateway, school, "other.queue", error=CANARY)
    async with gateway.service.transactions.begin() as tx:
        await tx.execute(
            "INSERT INTO task (task_id, school_id, kind, state) VALUES (%s, %s, %s, 'running')", (task, school, CANARY)
        )
        await tx.execute(
            "INSERT INTO api_key (key_id, school_id, name, role, scopes, hash, hint) "
            "VALUES (%s, %s, %s, 'staff', '{}', %s, 'abcd')",
            (uuid7(), school, CANARY, str(task).encode()),
        )
        await tx.execute(
            "INSERT INTO audit (audit_id, school_id, role, action, subject, status) "
            "VALUES (%s, %s, 'staff', %s, '{}', 200)",
            (uuid7(), school, CANARY),
        )
    return school, task


@pytest.mark.parametrize("role", ["platform_admin", "school_admin", "staff", "teacher"])
async def test_each_role_opens_its_pages_and_sees_nothing_of_another_school(owners, signed_in, school, other, role):
    ready = (200, {"status": "ready", "reasons": [], "items": [], "next": None})
    owners(notifier_GET=ready, files_GET=ready, scheduler_GET=ready, reports_GET=ready)
    async with signed_in(school, role) as browser:
        for route in PAGES:
            page = await browser.get(route)
            access = CONSOLE_ACCESS["GET", route]
            allowed = {200, 303} if role in access.roles else {403}
            assert page.status_code in allowed, (route, page.status_code, page.text[-400:])
            if role != "platform_admin":
                assert CANARY not in page.text, route
                named = await browser.get(route, school=str(other[0]))
                # The stream of changes names no school at all.
                refused = {422} if route == "/console/live" else {303, 403, 404}
                assert named.status_code in refused, route
                assert CANARY not in named.text, route


async def test_a_school_opens_no_row_of_another_by_its_address(gateway, signed_in, school, other):
    failure = await gateway.one("SELECT failure_id FROM failure WHERE error = %s", (CANARY,))
    key = await gateway.one("SELECT key_id FROM api_key WHERE name = %s", (CANARY,))
    paths = (f"tasks/{other[1]}", f"tasks/{other[1]}/cancel", f"failures/{failure}", f"keys/{key}/revoke")
    async with signed_in(school, "school_admin") as browser:
        for path in paths:
            answer = await browser.get(f"/console/{path}")
            assert (answer.status_code, CANARY in answer.text) == (404, False), path
        assert (await browser.post(f"/console/tasks/{other[1]}/cancel", sure="yes")).status_code == 404
        assert (await browser.post(f"/console/keys/{key}/revoke")).status_code == 404
    assert await gateway.one("SELECT cancel_requested_at FROM task WHERE task_id = %s", (other[1],)) is None
    assert await gateway.one("SELECT revoked_at FROM api_key WHERE key_id = %s", (key,)) is None


def hidden(page):
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text.split("<main")[1]))


async def test_failures_are_retried_once_after_their_number_is_typed(gateway, signed_in, school):
    queue = f"demo.{uuid4().hex}"
    await fail(gateway, school, queue, 3)
    async with signed_in(school, "platform_admin") as browser:
        address = f"/console/failures/confirm/retry?queue={queue}"
        page = await browser.get(address)
        assert "3 failures now." in page.text
        assert queue in page.text.split("<main")[1].split("<form")[0], "the filter is named before its button"
        fields = hidden(page)
        wrong = await browser.post(address, **fields, typed="2")
        assert (wrong.status_code, 'id="typed-error"' in wrong.text) == (422, True)
        # when it is sent twice, as by a double click
        first = await browser.post(address, **fields, typed="٣")
        second = await browser.post(address, **fields, typed="3")
        assert first.status_code == 303
        assert first.headers["location"] == second.headers["location"]
        task = await browser.get(first.headers["location"])
        assert "failures.retry" in task.text


async def test_a_discard_needs_a_reason_and_the_number_that_is_there_now(gateway, signed_in, school):
    queue = f"demo.{uuid4().hex}"
    await fail(gateway, school, queue, 2)
    async with signed_in(school, "platform_admin") as browser:
        address = f"/console/failures/confirm/discard?queue={queue}"
        fields = hidden(await browser.get(address))
        assert (await browser.post(address, **fields, typed="2")).status_code == 422
        async with gateway.service.transactions.begin() as tx:
            await tx.execute(
                "DELETE FROM failure WHERE failure_id = (SELECT min(failure_id) FROM failure WHERE queue = %s)",
                (queue,),
            )
        drifted = await browser.post(address, **fields, typed="2", reason="A demo <b>reason</b>")
        assert drifted.status_code == 409
        assert "1 failure now." in drifted.text
        assert "A demo &lt;b&gt;reason&lt;/b&gt;" in drifted.text
        done = await browser.post(address, **hidden(drifted), typed="1", reason="A demo reason")
        assert done.headers["location"] == "/console/failures?done=1"
    assert await gateway.one("SELECT discard_reason FROM failure WHERE queue = %s", (queue,)) == "A demo reason"


async def test_a_new_key_is_shown_once_and_revoked(gateway, signed_in, school):
    async with signed_in(school, "school_admin") as browser:
        wrong = await browser.post("/console/keys/new", name="Demo program")
        assert (wrong.status_code, 'value="Demo program"' in wrong.text) == (422, True)
        made = await browser.post("/console/keys/new", name="Demo program", scopes=["people:read"])
        (secret,) = re.findall(r'value="(sck_[^"]+)"', made.text)
        answer = await gateway.client.get("/v1/people", headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == 200
        listed = await browser.get("/console/keys")
        assert secret not in listed.text
        (revoke,) = re.findall(r'href="(/console/keys/[^"]+/revoke)"', listed.text)
        assert (await browser.post(revoke)).status_code == 303
        refused = await gateway.client.get("/v1/people", headers={"Authorization": f"Bearer {secret}"})
        assert refused.status_code == 401

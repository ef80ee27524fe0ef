"""Promise 16, generated from the API's own description: every route, every role of one school, another school's ids.

Nothing of the other school is answered, and nothing of it is changed, whatever the route and whatever the id: in the
path, in the query or in the body. Routes that are added are walked without a line here.
"""

import re
from dataclasses import dataclass, field
from typing import get_args
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from gateway.routers import ACCESS
from shared.events.values import Role

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROLES = [role for role in get_args(Role) if role != "platform_admin"]
ROUTES = sorted(route for route, access in ACCESS.items() if access.roles is not None)
REFUSALS = {400, 403, 404, 409, 412, 422, 428, 503}
TABLES = """
SELECT table_name AS name FROM information_schema.columns
WHERE table_schema = 'gateway' AND column_name = %s AND table_name <> 'audit' ORDER BY 1
"""


@dataclass
class Side:
    """A school and what is there; names hold the canary."""

    school: UUID
    canary: str
    ids: dict[str, str] = field(default_factory=dict)
    people: dict[str, UUID] = field(default_factory=dict)
    """A person with the role, by role."""


def sample(schema, spec, ids):
    """A small valid value of a schema; every id in it is one of `ids`."""
    if "$ref" in schema:
        return sample(spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]], spec, ids)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return sample(next(s for s in schema[choice] if s.get("type") != "null"), spec, ids)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type")
    if kind == "object":
        wanted = schema.get("required", [])
        return {name: sample(each, spec, ids) for name, each in schema.get("properties", {}).items() if name in wanted}
    if kind == "array":
        return [sample(schema["items"], spec, ids) for _ in range(schema.get("minItems", 1) or 1)]
    formats = {"uuid": ids["person_id"], "date": "2026-03-02", "date-time": "2026-03-02T08:00:00Z", "time": "08:00:00"}
    values = {"string": "demo name", "integer": schema.get("minimum", 1), "number": 1, "boolean": False}
    return formats.get(schema.get("format"), values.get(kind))


def body_of(route, spec, ids):
    operation = spec["paths"][route[1]][route[0].lower()]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return {} if content is None else {"json": sample(content["schema"], spec, ids)}


@pytest.fixture(scope="module")
def spec(gateway):
    return gateway.client._transport.app.openapi()


async def make(gateway, spec, side, route, path, **changes):
    """What a POST of the API makes; its id."""
    wanted = body_of(("POST", route), spec, side.ids)["json"] | changes
    answer = await gateway.ask("POST", path, "school_admin", side.school, uuid4(), json=wanted)
    assert answer.is_success, answer.text
    if "location" in answer.headers:
        return answer.headers["location"].rpartition("/")[2]
    return re.search(r'"(?:id|record_id|class_id|closure_id)": ?"([0-9a-f-]{36})"', answer.text)[1]


async def furnish(gateway, spec):
    school = await gateway.add_school()
    side = Side(school, f"canary-{uuid4().hex}")
    side.people = {role: await gateway.add_person(school, role) for role in ROLES}
    person = await gateway.add_person(school, "student")
    async with gateway.service.transactions.begin() as tx:
        await tx.execute("UPDATE school SET name = %s WHERE school_id = %s", (side.canary, school))
        await tx.execute("UPDATE person SET family_name = %s WHERE person_id = %s", (side.canary, person))
        await tx.execute("INSERT INTO student (school_id, student_id) VALUES (%s, %s)", (school, person))
        address = f"{side.canary}@example.org"
        await tx.execute("INSERT INTO contact VALUES (%s, 'mail', %s)", (person, address))
        await tx.execute(
            "INSERT INTO device (token, person_id, platform) VALUES (%s, %s, 'web')", (side.canary, person)
        )
    side.ids = {"school_id": str(school), "person_id": str(person), "student_id": str(person), "role": "student"}
    side.ids |= {
        "name": side.canary,
        "school": str(school),
        "group_id": str(uuid4()),
        "suppression_id": str(uuid4()),
        "failure_id": "9876543210",
        "event_id": str(uuid4()),
        "worker": "gateway-1",
    }
    body = {"type": "general", "title": side.canary, "body": "Snow", "audience": {"people": [str(person)]}}
    sent = (await gateway.ask("POST", "/v1/notifications", "staff", school, uuid4(), json=body)).json()
    side.ids |= {"notification_id": sent["notification_id"], "task_id": sent["task_id"]}
    side.ids["approval_id"] = await hold(gateway, side, body)
    side.ids["key_id"] = await make(gateway, spec, side, "/v1/keys", "/v1/keys", name=side.canary)
    side.ids["class_id"] = await make(gateway, spec, side, "/v1/classes", "/v1/classes")
    side.ids["record_id"] = await make(gateway, spec, side, "/v1/absences", "/v1/absences", student_id=str(person))
    closures = "/v1/schools/{school_id}/closures"
    side.ids["closure_id"] = await make(gateway, spec, side, closures, closures.format(school_id=school))
    side.ids["schedule_id"] = str(uuid4())
    side.ids["file_id"] = await upload(gateway, side)
    side.ids["report_id"] = await make(
        gateway, spec, side, "/v1/reports", "/v1/reports", kind="monthly", period="2026-03"
    )
    return side


async def hold(gateway, side, body):
    """A send that waits for a second person: the notifier is away, so that it cannot be counted."""
    place = f"/v1/schools/{side.school}"
    await gateway.ask("PATCH", place, json={"approval_above": 1})
    held = (await gateway.ask("POST", "/v1/notifications", "staff", side.school, uuid4(), json=body)).json()
    await gateway.ask("PATCH", place, json={"approval_above": None})
    return held["approval_id"]


async def upload(gateway, side):
    form = {"kind": "other", "school": str(side.school)}
    file = {"file": (f"{side.canary}.txt", side.canary.encode())}
    answer = await gateway.ask("POST", "/v1/files", "school_admin", side.school, uuid4(), data=form, files=file)
    assert answer.is_success, answer.text
    return answer.json()["id"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sides(gateway, spec):
    return await furnish(gateway, spec), await furnish(gateway, spec)


async def state(gateway, side):
    """A digest of every row of a school and of its person, by table."""
    values = {"school_id": side.school, "person_id": side.ids["person_id"]}
    digest = (
        "SELECT '{table} {column}' AS name, md5(string_agg(t::text, '|' ORDER BY t::text)) AS digest FROM {table} t"
    )
    async with gateway.service.transactions.begin() as tx:
        parts = [
            f"{digest} WHERE t.{column} = %({column})s".format(table=row["name"], column=column)
            for column in values
            for row in await tx.rows(TABLES, (column,))
        ]
        return {row["name"]: row["digest"] for row in await tx.rows(" UNION ALL ".join(parts), values)}


AUDIT = ("GET", "/v1/audit")


def known(route):
    """Paths whose parameters this test can fill; a new name belongs into `furnish`."""
    return re.findall(r"{(\w+)}", route)


async def ask(gateway, spec, route, role, as_whom, about):
    method, template = route
    path = template.format(**about.ids)
    headers = {"If-Match": '"1"', "Idempotency-Key": uuid4().hex}
    body = body_of(route, spec, about.ids)
    asked = spec["paths"][template][method.lower()].get("parameters", ())
    params = {p["name"]: about.ids[p["name"]] for p in asked if p["in"] == "query" and p["name"] in about.ids}
    person = as_whom.people[role]
    queries = ({}, params) if params else ({},)
    more = {"headers": headers, **body}
    return [await gateway.ask(method, path, role, as_whom.school, person, params=query, **more) for query in queries]


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_promise_16_no_route_answers_or_changes_what_is_anothers_whatever_the_id(gateway, spec, sides, route):
    ours, theirs = sides
    before = await state(gateway, theirs)
    named = set(theirs.ids.values())
    for role in ROLES:
        for answer in await ask(gateway, spec, route, role, ours, theirs):
            # then
            if route == AUDIT and answer.is_success:
                # Its rows are ours, though they name what we have asked for, the other school's ids among it.
                assert {item["school_id"] for item in answer.json()["items"]} <= {str(ours.school)}
            else:
                assert theirs.canary not in answer.text, (role, answer.text)
            if role not in ACCESS[route].roles:
                assert answer.status_code == 403
            elif known(route[1]) and not {"role", "name"} >= set(known(route[1])):
                assert answer.status_code in REFUSALS, (role, answer.text)
            elif answer.is_success and route[0] == "GET" and route != AUDIT:
                assert not [each for each in named if len(each) == 36 and each in answer.text]
            assert answer.status_code != 500
    assert await state(gateway, theirs) == before


async def test_promise_16_the_same_questions_about_ones_own_school_are_answered(gateway, spec, sides):
    """That the walk above asks rightly: with one's own ids most of the same routes answer."""
    ours, _ = sides
    answered = []
    for route in [route for route in ROUTES if route[0] == "GET" and known(route[1])]:
        (answer, *_) = await ask(gateway, spec, route, "school_admin", ours, ours)
        if answer.is_success:
            answered.append(route[1])
            if "{person_id}" in route[1]:
                assert ours.ids["person_id"] in answer.text or route[1].endswith("preferences")
    assert len(answered) >= 9, answered

"""Whatever comes in, the answer is a problem with a code, never a crash and never the value that was sent."""

import json
from uuid import uuid4

import pytest

from gateway.http.json_types import AMOUNT, CLOCK, LOCAL
from gateway.problems import CODES, PATTERNS
from gateway.reports.schemas import PERIOD

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODYS = "0192d3a4-0000-7000-8000-000000000000"

CANARY = "canary-5f1e"
GOOD = {"type": "general", "title": "Closed", "body": "Snow", "audience": {"school": True}}
NUL = "a\0b"
SURROGATE = "\ud800"
DEVICE = {"token": "t", "platform": "web", "person": {"sourced_id": "ada"}}

NOTIFICATIONS = {
    "nothing": {},
    "no type": {name: value for name, value in GOOD.items() if name != "type"},
    "unknown type": GOOD | {"type": CANARY},
    "blank title": GOOD | {"title": " \n "},
    "NUL in the title": GOOD | {"title": NUL},
    "NUL in the body": GOOD | {"body": NUL},
    "NUL in data": GOOD | {"data": {"key": NUL}},
    "NUL in a key of data": GOOD | {"data": {NUL: "value"}},
    "half a character in the title": GOOD | {"title": SURROGATE},
    "half a character in data": GOOD | {"data": {"key": SURROGATE}},
    "half a character in a key of data": GOOD | {"data": {SURROGATE: "value"}},
    "half a character in a field's name": GOOD | {SURROGATE: "value"},
    "NUL in the school": GOOD | {"school": NUL},
    "NUL in the grade": GOOD | {"audience": {"grade": NUL}},
    "long title": GOOD | {"title": CANARY * 50},
    "long body": GOOD | {"body": CANARY * 2000},
    "much data": GOOD | {"data": {str(number): CANARY for number in range(51)}},
    "data that FCM keeps for itself": GOOD | {"data": {"from": CANARY}},
    "data by FCM's prefix": GOOD | {"data": {"google.sent_time": CANARY}},
    "data of our own name": GOOD | {"data": {"notification_id": CANARY}},
    "data is not text": GOOD | {"data": {"number": 7}},
    "empty audience": GOOD | {"audience": {}},
    "nobody": GOOD | {"audience": {"people": []}},
    "two audiences": GOOD | {"audience": {"school": True, "grade": "07"}},
    "three audiences": GOOD | {"audience": {"school": True, "grade": "07", "people": [str(uuid4())]}},
    "no role": GOOD | {"audience": {"school": True, "roles": []}},
    "unknown role": GOOD | {"audience": {"school": True, "roles": [CANARY]}},
    "bad person": GOOD | {"audience": {"people": [CANARY]}},
    "too many people": GOOD | {"audience": {"people": [str(uuid4())] * 10_001}},
    "unknown channel": GOOD | {"channels": [CANARY]},
    "no channel": GOOD | {"channels": []},
    "over": GOOD | {"expires_at": "2020-01-01T00:00:00Z"},
    "no zone": GOOD | {"expires_at": "2120-01-01T00:00:00"},
    "no date": GOOD | {"expires_at": CANARY},
    "a time in seconds": GOOD | {"expires_at": 4_102_444_800},
    "a time in seconds as text": GOOD | {"expires_at": "4102444800"},
    "yes": GOOD | {"urgent": "yes"},
    "one": GOOD | {"audience": {"school": 1}},
    "beyond time": GOOD | {"expires_at": "9999-12-31T23:59:59-12:00"},
    "unknown field": GOOD | {"extra": CANARY},
    "a list": [CANARY],
    "a text": CANARY,
    "null": None,
}
DEVICES = {
    "none": {"devices": []},
    "nobody's": {"devices": [{"token": "t", "platform": "web"}]},
    "unknown": {"devices": [DEVICE]},
    "named twice": {"devices": [DEVICE | {"person": {"id": str(uuid4()), "sourced_id": "ada"}}]},
    "blank token": {"devices": [DEVICE | {"token": CANARY + " "}]},
    "NUL in the token": {"devices": [DEVICE | {"token": NUL}]},
    "NUL in the person": {"devices": [DEVICE | {"person": {"sourced_id": NUL}}]},
    "half a character": {"devices": [DEVICE | {"person": {"sourced_id": SURROGATE}}]},
    "unknown platform": {"devices": [DEVICE | {"platform": CANARY}]},
    "long token": {"devices": [DEVICE | {"token": CANARY * 1000}]},
    "too many": {"devices": [DEVICE] * 1001},
}
RAW = {
    "no JSON": b"{",
    "not UTF-8": b'{"title": "\xff"}',
    "very deep": b"[" * 100_000,
    "a huge number": b'{"title": ' + b"9" * 10_000 + b"}",
    "no number": b'{"title": NaN}',
    "empty": b"",
}
QUERIES = [
    "/v1/tasks?limit=0",
    "/v1/tasks?limit=201",
    "/v1/tasks?limit=99999999999999999999",
    f"/v1/tasks?after={CANARY}",
    f"/v1/tasks?state={CANARY}",
    "/v1/tasks?kind=%00",
    f"/v1/tasks?kind={CANARY * 50}",
    f"/v1/tasks/{CANARY}",
    f"/v1/notifications/{CANARY}",
    f"/v1/people?role={CANARY}",
    "/v1/people?sourced_id=%00",
    "/v1/people?school=%00",
    "/v1/schools?sourced_id=%00",
    f"/v1/schools?after={CANARY}",
    f"/v1/imports/{CANARY}/rejected",
    f"/v1/imports/{NOBODYS}/rejected?after=-1",
    "/v1/failures?after=0",
    "/v1/failures?after=99999999999999999999999999999",
]


def check(answer):
    """A problem as RFC 9457 says, with one of our codes; nothing of what was sent is in it."""
    problem = answer.json()
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] in CODES
    assert (problem["title"], problem["status"]) == (CODES[problem["code"]], answer.status_code)
    assert problem["type"] == f"urn:schoolconnect:problem:{problem['code']}"
    assert CANARY not in answer.text
    assert "Value error" not in answer.text
    return problem


@pytest.mark.parametrize("name", NOTIFICATIONS)
async def test_a_wrong_notification_is_a_problem_and_leaves_nothing(gateway, name):
    school = await gateway.add_school()
    content = json.dumps(NOTIFICATIONS[name])
    # when
    headers = {"Content-Type": "application/json"}
    answer = await gateway.ask("POST", "/v1/notifications", "staff", school, uuid4(), headers, content=content)
    # then
    check(answer)
    assert await gateway.one("SELECT count(*) FROM task WHERE school_id = %s", (school,)) == 0


@pytest.mark.parametrize("name", DEVICES)
async def test_a_wrong_device_is_a_problem_and_registers_none(gateway, name):
    headers = {"Content-Type": "application/json"}
    check(await gateway.ask("POST", "/v1/devices:bulk", headers=headers, content=json.dumps(DEVICES[name])))
    assert await gateway.one("SELECT count(*) FROM device") == 0


@pytest.mark.parametrize("name", RAW)
@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/devices:bulk"])
async def test_a_body_that_cannot_be_read_is_a_problem(gateway, path, name):
    headers = {"Content-Type": "application/json"}
    problem = check(await gateway.ask("POST", path, "platform_admin", uuid4(), None, headers, content=RAW[name]))
    assert problem["status"] in (400, 422)


@pytest.mark.parametrize("path", QUERIES)
async def test_a_wrong_question_is_a_problem(gateway, path):
    assert check(await gateway.ask("GET", path))["code"] == "invalid"


async def test_all_that_is_wrong_is_listed_at_once(gateway):
    body = GOOD | {
        "type": CANARY,
        "title": CANARY * 50,
        "channels": [],
        "extra": CANARY,
        "audience": {"people": [CANARY]},
    }
    # when
    problem = check(await gateway.ask("POST", "/v1/notifications", json=body))
    # then
    wrong = {".".join(error["loc"]) for error in problem["errors"]}
    assert wrong == {"body.type", "body.title", "body.channels", "body.extra", "body.audience.people.0"}
    assert all(set(error) == {"loc", "code", "message"} for error in problem["errors"])


@pytest.mark.parametrize("path", ["/nowhere", "/v1", "/v1/", "/v1/task", f"/v1/tasks/{NOBODYS}/more", "/docs/x"])
async def test_an_unknown_route_is_a_problem(gateway, path):
    problem = check(await gateway.ask("GET", path))
    assert (problem["code"], problem["detail"]) == ("unknown_route", "There is no such route.")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/notifications", ["GET", "POST"]),
        ("POST", "/v1/tasks", ["GET"]),
        ("GET", "/v1/imports/oneroster", ["POST"]),
        ("PATCH", "/v1/schedules/preview", ["POST"]),
        ("OPTIONS", f"/v1/absences/{NOBODYS}", ["DELETE", "GET", "PUT"]),
    ],
)
async def test_a_wrong_method_is_a_problem_that_says_which_are_right(gateway, method, path, allowed):
    answer = await gateway.ask(method, path)
    assert (answer.status_code, check(answer)["code"]) == (405, "method_not_allowed")
    assert answer.json()["detail"] == CODES["method_not_allowed"]
    assert answer.headers["allow"] == ", ".join(allowed)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/templates/trip/preview"])
async def test_a_body_that_is_no_json_by_its_own_word_is_415_and_says_what_to_send(gateway, path, headers):
    answer = await gateway.ask("POST", path, "staff", uuid4(), uuid4(), headers, content=json.dumps(GOOD))
    assert (answer.status_code, check(answer)["code"]) == (415, "unsupported_media_type")


async def test_a_body_that_breaks_off_says_where_and_why(gateway):
    headers = {"Content-Type": "application/json"}
    answer = await gateway.ask("POST", "/v1/notifications", "staff", uuid4(), None, headers, content=b'{"title": ')
    (error,) = check(answer)["errors"]
    assert error["loc"] == ["body", "10"]
    assert error["message"] == "is not valid JSON from this character on: Expecting value"


async def test_a_body_over_the_limit_is_refused_announced_or_not(gateway):
    async def endless():
        for _ in range(20):
            yield b" " * 100_000

    headers = {"Content-Type": "application/json"}
    for content in (b" " * 1_000_001, endless()):
        answer = await gateway.ask("POST", "/v1/notifications", headers=headers, content=content)
        assert (answer.status_code, check(answer)["code"]) == (413, "too_large")


async def test_an_upload_over_its_own_limit_is_refused(backing, serve):
    async with serve(backing, import_limit_bytes=1000) as small:
        answer = await small.ask("POST", "/v1/imports/oneroster", content=b"x" * 1001)
        assert (answer.status_code, check(answer)["code"]) == (413, "too_large")
        answer = await small.ask("POST", "/v1/imports/oneroster", content=b"")
        assert (answer.status_code, check(answer)["code"]) == (422, "roster_refused")
        assert await small.one("SELECT count(*) FROM import_job") == 0


@pytest.mark.parametrize("key", ["", "k" * 201])
async def test_a_wrong_key_is_a_problem(gateway, key):
    answer = await gateway.ask("POST", "/v1/notifications", headers={"Idempotency-Key": key}, json=GOOD)
    assert check(answer)["errors"][0]["loc"] == ["header", "idempotency-key"]


def patterns_of(part):
    """All patterns of texts and of names of fields in a part of the API's description."""
    if isinstance(part, dict):
        yield from part.get("patternProperties", {})
        if isinstance(pattern := part.get("pattern"), str):
            yield pattern
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from patterns_of(each)


async def test_each_pattern_of_the_api_has_words(gateway):
    # given: these are checked by functions, which have words of their own
    functions = {f"^{CLOCK}$", f"^{LOCAL.pattern}$", f"^{AMOUNT.pattern}$", f"^({PERIOD.pattern})$"}
    # when
    found = set(patterns_of(gateway.client._transport.app.openapi()))
    # then
    assert found - functions == set(PATTERNS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"period": "2026-13"}, "must be a month, as in 2026-11, or its first and last day"),
        ({"period": "2026-02-30/2026-03-02"}, "must be a month, as in 2026-11, or its first and last day"),
        ({"period": "2026-11\n"}, "must be a month, as in 2026-11, or its first and last day"),
        ({"school": NUL}, "must not contain the character NUL"),
        ({"reason": "a\nb"}, "must be one line without control characters"),
    ],
)
async def test_a_text_of_the_wrong_form_is_answered_with_the_right_form(gateway, change, words):
    school = await gateway.add_school()
    asked = {"kind": "monthly", "period": "2026-01"} | change
    answer = await gateway.ask("POST", "/v1/reports", "school_admin", school, json=asked)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["message"].startswith(words)) == (422, True), error

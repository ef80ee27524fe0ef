"""The first quarter of an hour of an app developer: who am I, what went wrong, which school, how a browser listens."""

import asyncio
import runpy
from pathlib import Path
from uuid import uuid4

import httpx
import jsonschema_rs
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAMPLE = Path(__file__).parents[3] / "docs" / "sample_client.py"
ORIGIN = "https://app.example.org"


async def test_me_says_who_the_caller_is_and_their_roles(gateway):
    school = await gateway.add_school()
    person = await gateway.add_person(school)
    answer = await gateway.ask("GET", "/v1/me", "guardian", school, person)
    assert answer.status_code == 200
    expected = {"person_id": str(person), "given_name": "Ada", "family_name": "Demo", "language": None}
    assert expected.items() <= answer.json().items()
    assert answer.json()["memberships"] == [{"school_id": str(school), "school": "Demo", "role": "guardian"}]
    assert (await gateway.ask("GET", "/v1/me")).status_code == 403  # an operator's token is no person's


async def test_a_person_sets_their_own_language_and_the_schools_again(gateway):
    school = await gateway.add_school()
    person = await gateway.add_person(school)
    for language in ("ar", None):
        answer = await gateway.ask("PUT", "/v1/me/preferences", "guardian", school, person, json={"language": language})
        assert (answer.status_code, answer.json()["language"]) == (200, language)
    assert (await gateway.ask("GET", "/v1/me", "guardian", school, person)).json()["language"] is None
    wrong = await gateway.ask("PUT", "/v1/me/preferences", "guardian", school, person, json={"language": "Deutsch!"})
    assert wrong.status_code == 422


async def test_a_wrong_password_and_an_unknown_route_have_titles_of_their_own(gateway):
    body = {"name": f"unknown-{uuid4().hex}", "password": "wrong-password"}
    refused = (await gateway.client.post("/v1/sessions", json=body)).json()
    assert (refused["status"], refused["code"]) == (401, "credentials_refused")
    assert "credentials" in refused["title"]
    missing = (await gateway.client.get("/v1/nowhere")).json()
    assert (missing["status"], missing["code"], missing["title"]) == (
        404,
        "unknown_route",
        "There is no such route. /docs lists all of them.",
    )


@pytest.mark.parametrize("path", ["/v1/schedules/preview", "/v1/notifications:preview", "/v1/reports", "/v1/keys"])
async def test_a_school_in_the_query_is_not_ignored_beside_one_in_the_body(gateway, path):
    body = {
        "/v1/schedules/preview": {"deliver_at": "2099-01-01T08:00:00"},
        "/v1/notifications:preview": {"type": "general", "audience": {"school": True}},
        "/v1/reports": {"kind": "monthly", "period": "2026-10"},
        "/v1/keys": {"name": "demo", "role": "staff", "scopes": ["people:read"]},
    }[path]
    one, other = await gateway.add_school(), await gateway.add_school()
    answer = await gateway.ask("POST", f"{path}?school={one}", json=body | {"school": str(other)})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", "school"])


async def test_a_school_is_refused_where_it_would_be_ignored(gateway):
    school = await gateway.add_school()
    person = await gateway.add_person(school)
    answer = await gateway.ask("GET", f"/v1/me/devices?school={school}", "guardian", school, person)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", "school"])


async def test_the_place_of_an_error_names_fields_only(gateway):
    school = await gateway.add_school()
    body = {"name": "Autumn", "starts": "yesterday", "ends": 7}
    answer = await gateway.ask("POST", f"/v1/schools/{school}/closures", json=body)
    assert answer.status_code == 422
    places = [error["loc"] for error in answer.json()["errors"]]
    assert sorted(places) == [["body", "ends"], ["body", "starts"]]


async def test_pages_of_an_origin_that_is_set_may_call(gateway, serve, backing):
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization",
    }
    assert "access-control-allow-origin" not in (await gateway.client.options("/v1/me", headers=asked)).headers
    async with serve(backing, cors_origins=f"{ORIGIN}/, https://other.example.org") as open_to_pages:
        preflight = await open_to_pages.client.options("/v1/me", headers=asked)
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, ORIGIN)
        answer = await open_to_pages.client.get("/v1/me", headers={"Origin": ORIGIN})
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        stranger = await open_to_pages.client.get("/v1/me", headers={"Origin": "https://evil.example.org"})
        assert "access-control-allow-origin" not in stranger.headers


async def test_a_browser_opens_a_stream_with_a_ticket_and_nothing_else(gateway):
    school = await gateway.add_school()
    person = await gateway.add_person(school)
    made = await gateway.ask("POST", "/v1/me/stream-tickets", "guardian", school, person)
    assert (made.status_code, made.json()["expires_in"]) == (201, 30)
    ticket = made.json()["ticket"]
    opened = await gateway.client.get("/v1/me/inbox/events", params={"ticket": ticket})
    assert (opened.status_code, opened.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
    # then: it is no access token, and an access token is no ticket
    assert (await gateway.client.get("/v1/me", params={"ticket": ticket})).status_code == 401
    assert (await gateway.client.get("/v1/me", headers={"Authorization": f"Bearer {ticket}"})).status_code == 401
    token = gateway.token("guardian", school, person)
    assert (await gateway.client.get("/v1/me/inbox/events", params={"ticket": token})).status_code == 401


async def test_the_answer_says_what_still_reaches_a_guardian_without_custody(gateway):
    school = await gateway.add_school()
    student, guardian = await gateway.add_person(school, "student"), await gateway.add_person(school)
    async with gateway.service.transactions.begin() as tx:
        await tx.execute("INSERT INTO student (school_id, student_id) VALUES (%s, %s)", (school, student))
    path = f"/v1/students/{student}/guardians?school={school}"
    said = {"person_id": str(guardian), "custody": False}
    for emergency, expected in ((True, ["absences", "payments", "sends"]), (False, ["payments", "sends"])):
        answer = await gateway.ask("PUT", path, json={"guardians": [said | {"emergency": emergency}]})
        assert answer.json()["guardians"][0]["reached_by"] == expected


async def test_one_installation_of_an_app_is_one_device(gateway):
    school = await gateway.add_school()
    ada, bo = await gateway.add_person(school), await gateway.add_person(school)
    fid = uuid4().hex

    async def register(person, token):
        body = {"token": token, "fid": fid, "platform": "android"}
        assert (await gateway.ask("PUT", "/v1/me/devices", "guardian", school, person, json=body)).status_code == 200

    async def tokens(person):
        listed = await gateway.ask("GET", "/v1/me/devices", "guardian", school, person)
        return [device["token"] for device in listed.json()["items"]]

    await register(ada, f"first-{fid}")
    await register(ada, f"second-{fid}")
    assert await tokens(ada) == [f"second-{fid}"]
    # when: another person signs in on the same device
    await register(bo, f"third-{fid}")
    assert (await tokens(ada), await tokens(bo)) == ([], [f"third-{fid}"])


@pytest.mark.parametrize(
    ("kind", "address", "stored"),
    [
        ("mail", "ada@example.org\u200b", "ada@example.org"),
        ("mail", "ada@b\u00fccher.example", "ada@xn--bcher-kva.example"),
        ("phone", "+999 \u0661\u0662\u0663", "+999 123"),
        ("mail", "ada@example", None),
        ("mail", "ada..b@example.org", None),
        ("phone", "ask me", None),
    ],
)
async def test_an_address_is_checked_where_it_is_entered(gateway, kind, address, stored):
    school = await gateway.add_school()
    person = await gateway.add_person(school)
    path = f"/v1/people/{person}/contacts?school={school}"
    answer = await gateway.ask("PUT", path, json={"contacts": [{"kind": kind, "address": address}]})
    if stored is None:
        assert answer.status_code == 422
    else:
        assert answer.json()["contacts"] == [{"kind": kind, "address": stored}]


async def test_every_request_and_answer_of_the_description_has_an_example_that_fits_its_schema(gateway):
    spec = (await gateway.client.get("/openapi.json")).json()
    without = [
        (method, path, status)
        for path, methods in spec["paths"].items()
        for method, operation in methods.items()
        for status, part in [("request", operation.get("requestBody", {})), *operation["responses"].items()]
        for content in part.get("content", {}).values()
        if "example" not in content
    ]
    assert without == []
    wrong = [
        (method, path, str(problem))
        for path, methods in spec["paths"].items()
        for method, operation in methods.items()
        for part in (operation.get("requestBody", {}), *operation["responses"].values())
        for kind, content in part.get("content", {}).items()
        if "schema" in content and "json" in kind
        for problem in jsonschema_rs.Draft202012Validator(
            content["schema"] | {"components": spec["components"]}, validate_formats=True
        ).iter_errors(content["example"])
    ]
    assert wrong == []
    me = spec["paths"]["/v1/me"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
    assert me["given_name"] == "Ada"


class Bridge(httpx.BaseTransport):
    """Carries the requests of a client without a loop to the application in the test's loop."""

    def __init__(self, client, loop):
        self._client, self._loop = client, loop

    def handle_request(self, request):
        sent = self._client.request(
            request.method, request.url.raw_path.decode(), headers=request.headers, content=request.read()
        )
        answer = asyncio.run_coroutine_threadsafe(sent, self._loop).result(30)
        return httpx.Response(answer.status_code, headers={"Content-Type": "application/json"}, content=answer.content)


async def test_the_sample_client_signs_in_sends_and_follows_its_task(gateway):
    # given
    school = await gateway.add_school()
    person, name, password = await gateway.add_person(school, "teacher"), f"demo-{uuid4().hex}", "a long password 7"
    invited = await gateway.ask("POST", f"/v1/people/{person}/invitations")
    accepted = {"token": invited.json()["token"], "name": name, "password": password}
    assert (await gateway.client.post("/v1/invitations/accept", json=accepted)).status_code == 204
    sample = runpy.run_path(str(SAMPLE))
    bridge = Bridge(gateway.client, asyncio.get_running_loop())

    def use():
        with httpx.Client(transport=bridge, base_url="http://gateway") as http:
            client = sample["SchoolConnect"](http, name, password)
            task = client.send("Hello", "There.", {"people": [client.me()["person_id"]]})
            with pytest.raises(RuntimeError, match="unknown_route"):
                client.ask("GET", "/v1/nowhere")
            return client.me(), client.wait(task, 0)

    # when
    me, task = await asyncio.to_thread(use)
    # then
    assert (me["person_id"], me["role"], task["kind"]) == (str(person), "teacher", "notification.send")

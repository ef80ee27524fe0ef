"""What the documents say about the code is what the code says."""

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest

from cli.operations.event_table import emitters, table
from cli.operations.openapi import text as owners_text
from cli.operations.service_builders import BUILDS
from gateway.main import ACCESS, app, build_api
from gateway.problems import CODES
from gateway.settings import Settings
from shared.events import Event
from shared.messaging.asyncapi import document
from shared.testing.fixtures import Backing, write_keys

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def environment(tmp_path, monkeypatch):
    write_keys(tmp_path)
    backing = Backing("postgresql://nobody@127.0.0.1:1/none", "amqp://127.0.0.1:1/", tmp_path)
    for name, value in backing.environment("gateway").items():
        monkeypatch.setenv(name, value)


def test_the_event_table_is_true(environment):
    text = (ROOT / "docs/architecture.md").read_text()
    written = re.search(r"<!-- events -->\n(.*?)\n<!-- /events -->", text, re.DOTALL)
    assert written
    assert written[1] == table({name: build() for name, build in BUILDS.items()})


def test_every_event_is_emitted_and_consumed_or_documented_as_for_the_log_only(environment):
    rows = table({name: build() for name, build in BUILDS.items()})
    assert [row for row in rows.splitlines() if "| none" in row] == []


def test_the_emitter_of_an_event_is_not_documented_as_awaited():
    awaited = {event.__name__: event.awaited_from for event in Event.known.values() if event.awaited_from}
    assert [name for name, service in awaited.items() if name in emitters(service)] == []


def test_personal_fields_have_a_default_that_means_erased():
    for event in Event.known.values():
        for name in event.personal:
            assert not event.model_fields[name].is_required(), f"{event.__name__}.{name}"


def test_every_public_route_says_who_may_use_it(environment):
    paths = app(build_api(Settings())).openapi()["paths"]
    public = {(method.upper(), path) for path, methods in paths.items() if path.startswith("/v1") for method in methods}
    assert public == {route for route in ACCESS if route[1].startswith("/v1")}


def test_every_operation_is_described_in_full(environment):
    spec = app(build_api(Settings())).openapi()
    operations = {
        f"{method} {path}": each for path, methods in spec["paths"].items() for method, each in methods.items()
    }
    names = [each["operationId"] for each in operations.values()]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z_0-9]+", name) for name in names)
    for name, each in operations.items():
        assert each.get("tags"), name
        assert each.get("description"), name
        assert each["summary"] in " ".join(each["description"].split()), name
        if "/v1/" not in name:
            continue
        assert {"429", "503"} <= set(each["responses"]), name
        for status, response in each["responses"].items():
            if status.startswith("2") and status != "204":
                (content,) = response["content"].values()
                assert set(content["schema"]) - {"title"}, f"{name} {status}"


def test_every_intent_takes_an_idempotency_key(environment):
    for path, methods in app(build_api(Settings())).openapi()["paths"].items():
        for method, each in methods.items():
            if path.startswith(("/v1/queues/", "/v1/workers/")):
                continue  # an order that is given again is the same order
            if "202" in each["responses"] and method == "post" and not path.endswith(("/cancel", "/erase")):
                assert "idempotency-key" in {p["name"].lower() for p in each.get("parameters", ())}, path


def test_the_owners_answers_are_described_as_they_are(environment):
    written = (ROOT / "services/gateway/gateway/owners.json").read_text()
    assert written == owners_text({name: build() for name, build in BUILDS.items()}), (
        "run `python -m cli.operations.openapi`"
    )


def test_every_problem_is_in_the_documents():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", (ROOT / "docs/api.md").read_text(), re.MULTILINE))
    assert rows == CODES


def test_the_asyncapi_document_describes_every_body_that_was_published():
    found = document()
    bodies = [json.loads(path.read_text()) for path in (ROOT / "shared/tests/golden").glob("*.json")]
    messages = {
        (channel["address"], message["x-major"]): message
        for channel in found["channels"].values()
        for message in (looked_up(found, reference["$ref"]) for reference in channel["messages"].values())
    }
    assert set(messages) == {(each["topic"], each["major"]) for each in bodies}
    for each in bodies:
        message = messages[each["topic"], each["major"]]
        assert message["summary"], each["topic"]
        payload = message["payload"]["$ref"]
        assert set(each["body"]) <= set(looked_up(found, payload)["properties"]), each["topic"]
        schema = {"$ref": payload, "components": found["components"]}
        wrong = [str(error) for error in jsonschema_rs.validator_for(schema).iter_errors(each["body"])]
        assert wrong == [], each["topic"]


def test_every_reference_in_the_asyncapi_document_is_there():
    found = document()
    for name in set(re.findall(r'"\$ref": "(#/[^"]+)"', json.dumps(found))):
        assert looked_up(found, name), name


def looked_up(found, reference):
    """What a JSON reference within a document leads to; KeyError for nothing."""
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found

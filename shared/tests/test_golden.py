"""Promise 13: this version reads all events of earlier versions. `python shared/tests/golden.py` makes golden files."""

import json
from pathlib import Path

import pytest

import shared.events
from shared.events.event import Event

FOLDER = Path(__file__).with_name("golden")
FILES = sorted(FOLDER.glob("*.json"))


def golden(file):
    return json.loads(file.read_text())


def kept(old, new):
    """Whether a JSON value still has all its fields and values: fields may be added, none may be removed or changed."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(key in new and kept(value, new[key]) for key, value in old.items())
    if isinstance(old, list):
        return isinstance(new, list) and len(old) == len(new) and all(map(kept, old, new))
    return old == new


def choices(schema, place=""):
    """Find each closed set of values in a schema, with its place."""
    if isinstance(schema, dict):
        if "enum" in schema:
            yield place, set(schema["enum"])
        for key, value in schema.items():
            yield from choices(value, f"{place}/{key}")
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from choices(value, f"{place}/{number}")


def test_promise_13_every_event_and_major_version_has_a_golden_file():
    assert shared.events
    known = {f"{event.topic}.{event.major}.json" for event in Event.known.values()}
    assert {file.name for file in FILES} == known, "add one with `python shared/tests/golden.py`; never remove one"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_promise_13_old_body_is_read_with_its_old_values(file):
    old = golden(file)
    event = Event.known[old["topic"], old["major"]]
    read = event.model_validate(old["body"] | {"a_field_of_tomorrow": {"x": 1}})
    assert kept(old["body"], read.model_dump(mode="json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_promise_13_old_fields_and_values_stay_allowed(file):
    old = golden(file)
    now = Event.known[old["topic"], old["major"]].model_json_schema()
    assert old["schema"]["properties"].keys() <= now["properties"].keys()
    assert set(now.get("required", [])) <= set(old["schema"].get("required", [])), "a new field needs a default"
    present = dict(choices(now))
    for place, values in choices(old["schema"]):
        assert values <= present.get(place, values), f"{place} lost values"


def test_breaking_change_is_found():
    assert not kept({"a": 1}, {})
    assert not kept({"a": [1]}, {"a": [2]})
    assert kept({"a": [1]}, {"a": [1], "b": 2})
    assert dict(choices({"x": {"enum": ["a"]}})) == {"/x": {"a"}}

"""Golden files: one body per event and major version, as it was first published; kept for ever, as the log is.

`python shared/tests/golden.py` writes missing files. It never changes an existing one, because each later version must
read its body. Only the descriptions in its schema follow the code.
"""

import json
import sys
from pathlib import Path
from typing import Any

import shared.events
from shared.events.event import Event

FOLDER = Path(__file__).with_name("golden")
FORMATS = {
    "uuid": "01890a5d-ac96-774b-bcce-b302099a8057",
    "date-time": "2026-01-31T08:15:00Z",
    "date": "2026-01-31",
    "time": "08:15:00",
    "duration": "PT15M",
}
PLAIN = {"integer": 3, "number": 1.5, "boolean": True, "null": None, "string": "text"}
ONE_OF_THEM = {"Audience": {"school": True, "roles": ["guardian"]}}
"""Values whose fields exclude each other."""


def path(event: type[Event]) -> Path:
    """Return the path of an event's golden file."""
    return FOLDER / f"{event.topic}.{event.major}.json"


def example(schema: dict[str, Any], definitions: dict[str, Any], name: str = "") -> Any:
    """Make a value for a JSON schema of pydantic, with every property set."""
    if name in ONE_OF_THEM:
        return ONE_OF_THEM[name]
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return example(definitions[name], definitions, name)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return example(choices[0], definitions)
    if schema.get("type") == "object":
        return _object(schema, definitions)
    if schema.get("type") == "array":
        fixed = [example(item, definitions) for item in schema.get("prefixItems", [])]
        return fixed or [example(schema.get("items", {}), definitions)]
    plain = FORMATS.get(schema.get("format", ""), PLAIN[schema.get("type", "string")])
    return schema.get("const", schema.get("enum", [plain])[0])


def _object(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    found = {key: example(value, definitions) for key, value in schema.get("properties", {}).items()}
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        key = FORMATS["uuid"] if schema.get("propertyNames", {}).get("format") == "uuid" else "key"
        found[key] = example(more, definitions)
    return found


def write(event: type[Event]) -> None:
    """Write the golden file of an event, if its body can be read."""
    schema = event.model_json_schema()
    body = event.model_validate(example(schema, schema.get("$defs", {}))).model_dump(mode="json")
    golden = {"topic": event.topic, "major": event.major, "body": body, "schema": schema}
    path(event).write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    assert shared.events
    FOLDER.mkdir(exist_ok=True)
    for missing in [event for event in Event.known.values() if not path(event).exists()]:
        write(missing)
        sys.stdout.write(f"{path(missing).name}\n")

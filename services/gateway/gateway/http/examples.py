"""Write an example for each body of the API's description, from its schema.

A person who reads the description wants a value to copy. Examples that are written by hand are wrong after the next
change; a test checks that these fit their schemas.
"""

import re
from typing import Any

DEEPEST = 8
ID = "0199a3c8-7a2b-7c4e-9d10-5a6b7c8d9e0f"
BY_FORMAT = {
    "uuid": ID,
    "date-time": "2026-11-30T08:00:00Z",
    "date": "2026-11-30",
    "time": "08:00",
    "duration": "PT15M",
    "binary": "(the bytes of the file)",
    "uri": "https://school.example.org/",
}
BY_NAME = {
    "title": "Sports day",
    "body": "The sports day begins at nine.",
    "given_name": "Ada",
    "family_name": "Demo",
    "name": "Demo",
    "grade": "07",
    "language": "en",
    "timezone": "Europe/Berlin",
    "school": "demo-school",
    "sourced_id": "demo-1001",
    "source": "demo-system",
    "address": "ada@example.org",
    "token": "a-token",
    "starts": "2026-11-30",
    "ends": "2026-12-04",
    "month": "2026-11",
    "period": "2026-11",
    "currency": "EUR",
    "amount": "12.50",
    "error": "why it failed, in plain words",
    "reason": "asked for by the office",
    "message": "why, in plain words",
    "repeat": "0 8 * * 1-5",
}
"""Values for fields whose schema is only a text; they are made up."""
BY_PATTERN = ("21:00",)
"""Values for a field with a pattern that its own value does not fit."""


def add_examples(spec: dict[str, Any]) -> None:
    """Add an example to each request and each answer that has a schema."""
    schemas = spec["components"]["schemas"]
    contents = [
        content
        for methods in spec["paths"].values()
        for operation in methods.values()
        for part in (operation.get("requestBody", {}), *operation["responses"].values())
        for content in part.get("content", {}).values()
    ]
    contents += [each for part in spec["components"]["responses"].values() for each in part["content"].values()]
    for content in contents:
        if "schema" in content and not {"example", "examples"} & content.keys():
            content["example"] = example_of(content["schema"], schemas)


def example_of(schema: Any, schemas: dict[str, Any], name: str = "", depth: int = 0) -> Any:  # noqa: PLR0911  # one a kind
    """Return a value that fits a schema; `name` is the field's."""
    if not isinstance(schema, dict) or depth > DEEPEST:
        return None
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name, depth + 1)
    for known in ("example", "const", "default"):
        if schema.get(known) is not None:
            return schema[known]
    if schema.get("examples"):
        return schema["examples"][0]
    if schema.get("enum"):
        return schema["enum"][0]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            choices = [each for each in schema[several] if each.get("type") != "null"]
            return example_of(choices[0], schemas, name, depth + 1) if choices else None
    return _of_type(schema, schemas, name, depth)


def _of_type(schema: dict[str, Any], schemas: dict[str, Any], name: str, depth: int) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if kind == "object" or "properties" in schema:
        return _object(schema, schemas, depth)
    if kind == "array":
        if depth >= DEEPEST - 1 and not schema.get("minItems"):
            return []
        return [example_of(schema.get("items", {}), schemas, name.removesuffix("s"), depth + 1)]
    if kind == "string":
        return _text(schema, name)
    if kind in ("integer", "number"):
        return max(1, schema.get("minimum", 1))
    return True if kind == "boolean" else None


def _object(schema: dict[str, Any], schemas: dict[str, Any], depth: int) -> dict[str, Any]:
    """Return the fields that are needed and those that have a value to show."""
    needed = schema.get("required", ())
    if schema.get("minProperties") and not schema.get("properties"):
        of_each = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties", {}))
        return {"en": example_of(of_each, schemas, "", depth + 1)}  # a dict by language
    return {
        field: example_of(part, schemas, field, depth + 1)
        for field, part in schema.get("properties", {}).items()
        if field in needed or not _may_be_left_out(part)
    }


def _may_be_left_out(part: Any) -> bool:
    """Return whether a field has a default or may be null: an example with all of them would contradict itself."""
    choices = part.get("anyOf", ()) if isinstance(part, dict) else ()
    return "default" in part or any(each.get("type") == "null" for each in choices)


def _text(schema: dict[str, Any], name: str) -> str:
    found = BY_FORMAT.get(schema.get("format", "")) or BY_NAME.get(name) or f"{name or 'text'}".replace("_", " ")
    if (pattern := schema.get("pattern")) is not None:
        found = next(
            (each for each in (found, *BY_PATTERN, found.replace(" ", "-")) if re.search(pattern, each)), found
        )
    return found[: schema.get("maxLength", len(found))].ljust(schema.get("minLength", 0), "x")

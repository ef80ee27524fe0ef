"""The API's description, composed: the gateway's routes, the owners' models, roles and scopes, every problem."""

import json
import re
from importlib import resources
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gateway.http.examples import add_examples
from gateway.http.guarded_route import access_table
from gateway.http.json_types import CLOCK
from gateway.problems import CODES
from gateway.security.access_control import Access

ABOUT = """
One door to a group of schools. Requests carry `Authorization: Bearer …`: an access token (`POST /v1/sessions`) or a
key for programs (`POST /v1/keys`).

- **Intents** are answered 202 once they are stored; `Location` names the task that shows their progress.
- **Idempotency-Key**: the same key and the same body get the same answer; another body gets 409.
- **Lists** come in pages: pass `next` as `after` until it is null.
- **Versions**: a resource that can change has an `ETag`; a change sends it as `If-Match` and gets 412 when it is stale.
- **Limits**: `RateLimit-*` in every answer; 429 says in `Retry-After` when to go on.
- **Problems** are RFC 9457 with a stable `code`; 503 says in `Retry-After` when to try again.
"""
RESPONSES = "#/components/responses/"
STATUS_OF = {
    "400": "The request cannot be read.",
    "401": "No valid token or key.",
    "403": "Not for this role, scope or person.",
    "404": "The caller can see no such resource.",
    "409": "The request conflicts with the present state.",
    "410": "The link has ended.",
    "412": "The resource has changed: If-Match is stale.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "416": "The range begins behind the end.",
    "422": "Fields are missing or wrong.",
    "428": "If-Match is missing.",
    "429": "Too many requests.",
    "503": "A part of the system is unavailable.",
    "507": "There is no space for a file.",
}
PROBLEM = {
    "type": "object",
    "description": "RFC 9457; `code` is stable.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted(CODES)},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "code", "message"],
                "properties": {
                    "loc": {"type": "array", "items": {"type": "string"}},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}
ACCEPTED = {
    "type": "object",
    "description": "It is stored; its owner does not know it yet.",
    "required": ["state"],
    "properties": {"state": {"const": "accepted"}},
}


def install(app: FastAPI) -> None:
    """Make this the application's description."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = compose(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def compose(app: FastAPI) -> dict[str, Any]:
    """Compose the description of the whole API, as OpenAPI 3.1."""
    spec = get_openapi(title="SchoolConnect", version="1", description=ABOUT, routes=app.routes)
    owners: dict[str, Any] = json.loads((resources.files("gateway") / "owners.json").read_text(encoding="utf-8"))
    schemas = spec.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM
    spec["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    spec["components"]["responses"] = {
        f"Problem{status}": {
            "description": text,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, text in STATUS_OF.items()
    }
    _drop_null_parts(spec["paths"], schemas)
    table = access_table(app.routes)
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            for parameter in operation.get("parameters", ()):
                _on_the_wire(parameter)
            _complete(method, path, operation, table.get((method.upper(), path)))
            _owned(method, path, operation, owners, schemas)
    _exactly(spec)
    add_examples(spec)
    return spec


def _on_the_wire(parameter: dict[str, Any]) -> None:
    """Describe an optional parameter without `null`, which an address or a header cannot express."""
    schema = parameter["schema"]
    _drop_null(schema)
    if schema.pop("x-needed", False):
        parameter["required"] = True


def _drop_null(schema: dict[str, Any]) -> None:
    choices = [each for each in schema.pop("anyOf", ()) if each != {"type": "null"}]
    if len(choices) == 1:
        schema |= choices[0]
    elif choices:
        schema["anyOf"] = choices


def _exactly(part: Any) -> None:
    """Narrow two kinds of fields, which pydantic describes wider than it accepts and returns them.

    Times of day are a timezone's, but the format `time` (RFC 3339) has an offset. Names of a dictionary's entries that
    have a pattern have to have it.
    """
    if isinstance(part, dict):
        if "patternProperties" in part:
            part.setdefault("additionalProperties", False)
        if part.get("format") == "time":
            del part["format"]
            part["pattern"] = f"^{CLOCK}$"
        for each in part.values():
            _exactly(each)
    elif isinstance(part, list):
        for each in part:
            _exactly(each)


def _complete(method: str, path: str, operation: dict[str, Any], access: Access | None) -> None:
    """Add name, roles, scope and problems to one operation; pages and health have no access rule."""
    operation["operationId"] = name_of(method, path)
    operation["summary"] = _first_sentence(operation["description"])
    statuses = {"503"} if access is None else {"400", "401", "403", "404", "429", "503"}
    if access is not None and access.roles is not None:
        operation["security"] = [{"bearer": []}]
        operation["x-roles"] = sorted(access.roles)
        if access.scope is not None:
            operation["x-scope"] = access.scope
    headers = {p["name"].lower() for p in operation.get("parameters", ()) if p["in"] == "header"}
    if operation.get("parameters") or "requestBody" in operation:
        statuses.add("422")
    statuses |= operation["responses"].keys() & STATUS_OF.keys()
    if method != "get":
        statuses |= {"409", "413", "415", "422"}
    if "if-match" in headers:
        statuses |= {"412", "428"}
    if "multipart/form-data" in operation.get("requestBody", {}).get("content", {}):
        statuses.add("507")
    for status in sorted(statuses):
        if path.startswith("/health") or path == "/metrics":
            continue
        operation["responses"][status] = {"$ref": f"{RESPONSES}Problem{status}"}
    if path == "/health/ready":
        operation["responses"]["503"] = operation["responses"]["200"] | {"description": "Not ready: why."}


def _first_sentence(text: str) -> str:
    """Return the first sentence of a description, for the list of operations."""
    return re.split(r"[.;:](?:\s|$)", " ".join(text.split()), maxsplit=1)[0]


def name_of(method: str, path: str) -> str:
    """Return the operation's id: `get_tasks_by_task_id`."""
    words = [part for part in path.strip("/").split("/") if part != "v1"]
    named = [re.sub(r"^{(\w+)}$", r"by_\1", word) for word in words]
    return re.sub(r"\W+", "_", "_".join([method, *named])).strip("_")


def _owned(method: str, path: str, operation: dict[str, Any], owners: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Describe an answer that the gateway forwards by the model of its owner."""
    for owner, described in owners.items():
        paths = {_shape(each): operations for each, operations in described["paths"].items()}
        theirs = paths.get(_shape(path), {}).get(method)
        if theirs is None:
            continue
        asked = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if asked is not None and asked["schema"].get("additionalProperties") is True:
            wanted = theirs["requestBody"]["content"]["application/json"]["schema"]
            asked["schema"] = _adopt(wanted, owner, described["schemas"], schemas)
        found = _answer(theirs)
        if found is None:
            continue
        for status, response in operation["responses"].items():
            content = response.get("content", {}).get("application/json")
            if status.startswith("2") and content is not None and _open(content):
                content["schema"] = _adopt(found, owner, described["schemas"], schemas)
                if method == "get" and path.endswith("_id}"):
                    content["schema"] = {"anyOf": [content["schema"], ACCEPTED]}
                operation["x-answered-by"] = owner


def _drop_null_parts(paths: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Let no part of a form be null: a form can leave a part out, and `null` in one is a text."""
    for operation in (operation for methods in paths.values() for operation in methods.values()):
        form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data")
        if form is None:
            continue
        for part in schemas[form["schema"]["$ref"].rpartition("/")[2]]["properties"].values():
            _drop_null(part)


def _open(content: dict[str, Any]) -> bool:
    """Whether a schema says nothing but a title."""
    return set(content.get("schema", {})) <= {"title"}


def _shape(path: str) -> str:
    """Return a path without the names of its parameters; an owner knows the person of an inbox from the token."""
    return re.sub(r"{\w+}", "{}", path.replace("/v1/me/inbox", "/v1/inbox"))


def _answer(operation: dict[str, Any]) -> dict[str, Any] | None:
    for status, response in operation["responses"].items():
        schema = response.get("content", {}).get("application/json", {}).get("schema")
        if status.startswith("2") and schema:
            return dict(schema)
    return None


def _adopt(schema: Any, owner: str, theirs: dict[str, Any], ours: dict[str, Any]) -> Any:
    """Copy an owner's schema, with its models moved here and named after their owner."""
    if isinstance(schema, list):
        return [_adopt(each, owner, theirs, ours) for each in schema]
    if not isinstance(schema, dict):
        return schema
    copied = {}
    for key, value in schema.items():
        if key == "$ref":
            model = value.rpartition("/")[2]
            name = f"{owner.title()}{model}"
            if name not in ours:
                ours[name] = {}
                ours[name] = _adopt(theirs[model], owner, theirs, ours)
            copied[key] = f"#/components/schemas/{name}"
        else:
            copied[key] = _adopt(value, owner, theirs, ours)
    return copied

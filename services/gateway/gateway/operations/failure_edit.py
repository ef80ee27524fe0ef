"""Edits a message that failed for good and sends it again, if it then keeps the contract of its event.

Personal fields are encrypted in the message: they are neither shown nor edited.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import BaseModel, Field, JsonValue, StringConstraints, ValidationError

from gateway.http.fields import Prose, Strict
from gateway.operations import dead_letters
from gateway.operations.failure_reads import READ_FAILURE, Failure
from gateway.problems import Problem
from shared.errors import NotUnderstood, Refused
from shared.events import Envelope, Event
from shared.messaging.serialization import deserialize, event_type, parse
from shared.persistence.encryption import SubjectKeyStore
from shared.transactions.unit_of_work import UnitOfWork

MOST_CHANGES = 50
FIXED = frozenset({"school_id", "positions", "memberships"})
"""An edit must not move a message to another school."""

# Lock an open failure.
LOCK_FAILURE = """
SELECT queue, headers, body, first_failed FROM failure
WHERE failure_id = %(id)s AND given_back_at IS NULL AND discarded_at IS NULL FOR UPDATE
"""
# Store the edited body and mark the failure as returned. The body that failed first stays.
SAVE_EDIT = """
UPDATE failure SET body = %(body)s, original_body = coalesce(original_body, body), edited_at = clock_timestamp(),
    edited_by = %(person)s, edit_reason = %(reason)s, edited_fields = %(fields)s,
    given_back_at = clock_timestamp(), given_back_by = %(person)s
WHERE failure_id = %(id)s
"""


class EditIn(Strict):
    """New values of fields of the event. With `dry_run` they are checked and compared, and nothing is sent."""

    changes: dict[str, JsonValue] = Field(min_length=1, max_length=MOST_CHANGES)
    reason: Annotated[Prose, StringConstraints(strip_whitespace=True, min_length=1)]
    dry_run: bool = False


class Difference(BaseModel):
    """A field that an edit changes; `before` is null where the message had none."""

    field: str
    before: JsonValue
    after: JsonValue


class EditedFailure(BaseModel):
    """What an edit changes, and the failure as it is after it."""

    dry_run: bool
    diff: list[Difference]
    failure: Failure


@dataclass(frozen=True, slots=True)
class OpenLetter:
    """A message that failed for good and waits for a decision, with its event's type and fields."""

    queue: str
    headers: dict[str, Any]
    first_failed: dt.datetime
    envelope: Envelope
    known: type[Event]
    fields: dict[str, Any]

    @property
    def editable(self) -> dict[str, Any]:
        """The fields that an edit may change."""
        closed = self.known.personal | FIXED
        return {name: value for name, value in self.fields.items() if name in self.known.model_fields.keys() - closed}


async def open_letter(tx: UnitOfWork, failure: int) -> OpenLetter:
    """Lock and read an open failure; 404, 409 `too_late` when it is not open, `conflict` when it cannot be read."""
    row = await tx.row(LOCK_FAILURE, {"id": failure})
    if row is None:
        raise Problem(404, "not_found") if await _read(tx, failure) is None else Problem(409, "too_late")
    try:
        envelope = Envelope.read(row["headers"])
        known, fields = event_type(envelope), parse(bytes(row["body"]))
    except NotUnderstood as problem:
        raise Problem(409, "conflict", f"Only events that can be read can be edited: {problem}") from problem
    return OpenLetter(row["queue"], row["headers"], row["first_failed"], envelope, known, fields)


async def edit(
    tx: UnitOfWork, vault: SubjectKeyStore, failure: int, wanted: EditIn, person: UUID | None, retry_days: int
) -> EditedFailure:
    """Send an edited message to the queue that it failed in, with its id; its consumer reports what came of it.

    404; 409 `too_late` when it is not open, `conflict` when it cannot be sent; 422 when the edit breaks the contract.
    """
    letter = await open_letter(tx, failure)
    before = letter.fields
    _check_fields(letter.known, wanted.changes)
    body = orjson.dumps(before | wanted.changes)
    try:
        await deserialize(letter.envelope, body, vault)
    except ValidationError as problem:
        raise Problem(422, "invalid", errors=_errors(problem)) from problem
    except NotUnderstood as problem:
        raise Problem(409, "conflict", str(problem)) from problem
    changed = {name: new for name, new in wanted.changes.items() if name not in before or before[name] != new}
    diff = [Difference(field=name, before=before.get(name), after=new) for name, new in changed.items()]
    if not diff:
        raise Problem(409, "conflict", "The message has these values already; retry it without an edit.")
    if not wanted.dry_run:
        values = {"id": failure, "body": body, "person": person, "reason": wanted.reason, "fields": sorted(changed)}
        await tx.execute(SAVE_EDIT, values)
        try:
            dead_letters.check_age(letter.first_failed, retry_days)
            await dead_letters.send_back(tx, failure, letter.queue, letter.headers, body)
        except Refused as problem:
            raise Problem(409, "conflict", str(problem)) from problem
    found = await _read(tx, failure)
    assert found is not None
    return EditedFailure(dry_run=wanted.dry_run, diff=diff, failure=found)


async def _read(tx: UnitOfWork, failure: int) -> Failure | None:
    return await READ_FAILURE.first(tx, id=failure)


def _check_fields(known: type[Event], changes: dict[str, Any]) -> None:
    """Refuse fields that the event does not have, that are personal, or that say whose message it is."""
    errors = []
    for name in changes:
        if name not in known.model_fields:
            errors.append(_error(name, "unknown", f"{known.topic} has no such field"))
        elif name in known.personal:
            errors.append(_error(name, "forbidden", "is personal data, which is neither shown nor edited"))
        elif name in FIXED:
            errors.append(_error(name, "forbidden", "an edit must not move a message to another school"))
    if errors:
        raise Problem(422, "invalid", errors=errors)


def _errors(problem: ValidationError) -> list[dict[str, Any]]:
    """Say where the event breaks its contract, without its values."""
    return [
        {"loc": ["body", "changes", *each["loc"]], "code": each["type"], "message": each["msg"]}
        for each in problem.errors(include_input=False, include_url=False)
    ]


def _error(field: str, code: str, message: str) -> dict[str, Any]:
    return {"loc": ["body", "changes", field], "code": code, "message": message}

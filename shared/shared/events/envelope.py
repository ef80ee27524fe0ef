"""The CloudEvents 1.0 envelope of a message, AMQP binary mode."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from shared.errors import Malformed
from shared.events.event import Event
from shared.events.headers import ATTEMPT, LOG_OFFSET, read_count, read_number

PREFIX = "ce-"
"""Header prefix of the CloudEvents binding for RabbitMQ (knative eventing-rabbitmq, binary mode)."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The CloudEvents attributes of one message; `major` is the last part of `ce-dataschema`."""

    id: UUID
    type: str
    source: str
    time: dt.datetime
    subject: str
    major: int = 1
    school_id: UUID | None = None
    task_id: UUID | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    attempt: int = 0
    log_offset: int = 0
    """Of an event that a projection has set aside; 0 for other messages."""

    @classmethod
    def of(cls, event: Event, source: str, cause: "Envelope | None" = None) -> Self:
        """Make the envelope of an event. It keeps the correlation id of its cause and names the cause's id."""
        identity = uuid7()
        return cls(
            id=identity,
            type=event.topic,
            source=source,
            time=dt.datetime.now(dt.UTC),
            subject=event.subject,
            major=event.major,
            school_id=event.school or (cause.school_id if cause else None),
            task_id=event.task or (cause.task_id if cause else None),
            correlation_id=(cause.correlation_id or cause.id) if cause else identity,
            causation_id=cause.id if cause else None,
        )

    @classmethod
    def of_work(cls, name: str, subject: str, source: str, cause: "Envelope | None" = None) -> Self:
        """Make the envelope of a work permit, which stays inside its service."""
        identity = uuid7()
        return cls(
            id=identity,
            type=name,
            source=source,
            time=dt.datetime.now(dt.UTC),
            subject=subject,
            school_id=cause.school_id if cause else None,
            task_id=cause.task_id if cause else None,
            correlation_id=(cause.correlation_id or cause.id) if cause else identity,
            causation_id=cause.id if cause else None,
        )

    def headers(self) -> dict[str, str]:
        """Return the attributes as AMQP headers (binary mode: each value is a string)."""
        found: dict[str, str] = orjson.loads(self.json())
        return found

    def json(self, **more: str) -> str:
        """Return the headers, and `more`, as a JSON object, the form that the outbox stores."""
        found = {
            "ce-specversion": "1.0",
            "ce-id": self.id,
            "ce-type": self.type,
            "ce-source": self.source,
            "ce-time": self.time,
            "ce-subject": self.subject,
            "ce-dataschema": f"urn:schoolconnect:{self.type}:{self.major}",
            "ce-schoolid": self.school_id,
            "ce-taskid": self.task_id,
            "ce-correlationid": self.correlation_id,
            "ce-causationid": self.causation_id,
            **more,
        }
        return orjson.dumps({name: value for name, value in found.items() if value is not None}).decode()

    @classmethod
    def read(cls, headers: Mapping[str, Any]) -> Self:
        """Read an envelope from AMQP headers; raises Malformed, which names the missing or wrong attribute."""
        try:
            return cls(
                id=UUID(headers["ce-id"]),
                type=_text(headers["ce-type"]),
                source=headers["ce-source"],
                time=_instant(headers["ce-time"]),
                subject=_text(headers.get("ce-subject", "")),
                major=int(headers["ce-dataschema"].rpartition(":")[2]),
                school_id=_uuid(headers.get("ce-schoolid")),
                task_id=_uuid(headers.get("ce-taskid")),
                correlation_id=_uuid(headers.get("ce-correlationid")),
                causation_id=_uuid(headers.get("ce-causationid")),
                attempt=read_count(headers, ATTEMPT),
                log_offset=read_number(headers, LOG_OFFSET),
            )
        except (KeyError, ValueError, TypeError, AttributeError) as problem:
            raise Malformed(f"envelope: {type(problem).__name__} {problem}") from problem


def _instant(text: str) -> dt.datetime:
    """Read a time. One without an offset is UTC, because it is compared with others."""
    found = dt.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of a text")
    return value


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None

"""What an event is: a past-tense, frozen fact, and the CloudEvents 1.0 envelope it travels in."""

import datetime as dt
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field
from uuid_utils.compat import uuid7

from shared.errors import Malformed
from shared.events.headers import ATTEMPT, number

PREFIX = "ce-"
"""Header prefix of the CloudEvents binding for RabbitMQ (knative eventing-rabbitmq, binary mode)."""


class Personal:
    """Marks a field whose value is sealed with its subject's key before it leaves the database.

    Only top-level fields of an event are marked, and each has a default that means "erased".
    """


class Event(BaseModel):
    """A fact. `topic` is noun.verb and the routing key; `major` rises when old readers could not read it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: ClassVar[str] = ""
    major: ClassVar[int] = 1
    log_only: ClassVar[bool] = False
    awaited_from: ClassVar[str | None] = None
    """The service that will emit it one day: it is part of the vocabulary, and reacted to, before that."""
    personal: ClassVar[frozenset[str]] = frozenset()
    known: ClassVar[dict[tuple[str, int], type["Event"]]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.personal = frozenset(
            name for name, info in cls.model_fields.items() if any(m is Personal for m in info.metadata)
        )
        if cls.topic:
            other = Event.known.setdefault((cls.topic, cls.major), cls)
            if other is not cls and other.__qualname__ != cls.__qualname__:
                msg = f"{cls.__qualname__} and {other.__qualname__} both claim {cls.topic} v{cls.major}"
                raise TypeError(msg)

    @property
    def school(self) -> UUID | None:
        """The tenant that this fact belongs to; None for facts of the whole group."""
        return getattr(self, "school_id", None)

    @property
    @abstractmethod
    def subject(self) -> str:
        """What the fact is about: the aggregate that versions are counted for."""

    @property
    def sealed_for(self) -> UUID | None:
        """Whose key seals the personal fields; None where there are none."""
        return None

    @property
    def task(self) -> UUID | None:
        """The task that this fact belongs to."""
        return getattr(self, "task_id", None)

    @property
    def heavy(self) -> bool:
        """Whether it takes long by its nature: it is handled by itself, and nobody beside it waits for it."""
        return False


class StateEvent(Event):
    """A fact that carries the whole state of its aggregate; an older or equal version is ignored."""

    version: int

    @property
    def order(self) -> tuple[int, int]:
        """Compares states of one aggregate: the higher is the newer."""
        return (0, self.version)


class DirectoryEvent(StateEvent):
    """State of the directory. `positions` is school → that school's gap-free directory version.

    `resync` is school → the first and last position of a telling anew of all that there is: who has applied all of
    these positions has the state of everything before them too.
    """

    positions: dict[UUID, int] = Field(default_factory=dict)
    resync: dict[UUID, tuple[int, int]] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Envelope:
    """CloudEvents attributes of one message; `data_schema` ends in the major version."""

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

    @classmethod
    def of(cls, event: Event, source: str, cause: "Envelope | None" = None) -> Self:
        """A new envelope; correlation runs on from the cause, causation is the cause's id."""
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
        """A new envelope for a permit that stays inside its service."""
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
        """AMQP headers, binary mode: every attribute a string."""
        found: dict[str, str] = orjson.loads(self.json())
        return found

    def json(self) -> str:
        """The headers as a JSON object, as the outbox holds them."""
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
        }
        return orjson.dumps({name: value for name, value in found.items() if value is not None}).decode()

    @classmethod
    def read(cls, headers: Mapping[str, Any]) -> Self:
        """The envelope in AMQP headers; raises Malformed naming the attribute that is missing or wrong."""
        try:
            return cls(
                id=UUID(headers["ce-id"]),
                type=_text(headers["ce-type"]),
                source=headers["ce-source"],
                time=dt.datetime.fromisoformat(headers["ce-time"]),
                subject=_text(headers.get("ce-subject", "")),
                major=int(headers["ce-dataschema"].rpartition(":")[2]),
                school_id=_uuid(headers.get("ce-schoolid")),
                task_id=_uuid(headers.get("ce-taskid")),
                correlation_id=_uuid(headers.get("ce-correlationid")),
                causation_id=_uuid(headers.get("ce-causationid")),
                attempt=number(headers, ATTEMPT),
            )
        except (KeyError, ValueError, TypeError, AttributeError) as problem:
            raise Malformed(f"envelope: {type(problem).__name__} {problem}") from problem


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where a text belongs")
    return value


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None

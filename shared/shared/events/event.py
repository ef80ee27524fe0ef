"""What an event is: a past-tense, frozen fact, and the CloudEvents 1.0 envelope it travels in."""

from abc import abstractmethod
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


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

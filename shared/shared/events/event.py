"""Base classes of events: immutable facts, named in the past tense."""

from abc import abstractmethod
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Personal:
    """Marks a personal field: it is encrypted with the key of its subject before it leaves the database.

    Mark only top-level fields of an event. Each needs a default, which stands for the erased value.
    """


class Event(BaseModel):
    """A fact. `topic` (noun.verb) is its type; raise `major` when old consumers could not read a new version."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: ClassVar[str] = ""
    major: ClassVar[int] = 1
    log_only: ClassVar[bool] = False
    awaited_from: ClassVar[str | None] = None
    """The service that will emit this event later. Consumers exist already; no service emits it yet."""
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
        """The school (tenant) of this fact; None for facts of the whole group."""
        return getattr(self, "school_id", None)

    @property
    def routing_key(self) -> str:
        """The key by which the broker finds its queues: the topic, where no queue of its own is needed."""
        return self.topic

    @property
    @abstractmethod
    def subject(self) -> str:
        """The id of the aggregate that this fact is about; versions are counted per subject."""

    @property
    def sealed_for(self) -> UUID | None:
        """The subject whose key encrypts the personal fields; None without personal fields."""
        return None

    @property
    def task(self) -> UUID | None:
        """The task of this fact, if any."""
        return getattr(self, "task_id", None)

    @property
    def runs_alone(self) -> bool:
        """Whether its handling takes long, so that it gets a batch of its own and delays no other message."""
        return False


class StateEvent(Event):
    """A fact with the whole state of its aggregate; consumers ignore an older or equal version."""

    version: int

    @property
    def order(self) -> tuple[int, int]:
        """Sort key of the states of one aggregate; the newer state has the higher key."""
        return (0, self.version)


class DirectoryEvent(StateEvent):
    """State of the directory. `positions` maps each school to the directory version of this change, without gaps.

    `resync` maps a school to the first and last version of a complete re-publication. A consumer that has applied all
    of these versions also has every earlier state.
    """

    positions: dict[UUID, int] = Field(default_factory=dict)
    resync: dict[UUID, tuple[int, int]] = Field(default_factory=dict)

"""Replays: a service uses the event log again."""

import datetime as dt
from typing import ClassVar, Literal
from uuid import UUID

from shared.events.event import Event

ReplayMode = Literal["rebuild", "in_place", "react", "resync"]


def replay_task(service: str) -> str:
    """Return the kind of the tasks that replay in a service: a cancel must reach that service and no other."""
    return f"replay.{service}"


class ReplayRequested(Event):
    """An operator asked a service to use the log again for one consumer; the gateway committed the request.

    `rebuild` fills a projection's tables from the whole log and swaps them in. `in_place` reads events again into the
    rows of a projection. `react` gives events to the queue of a reaction. `resync` publishes the state of an owner.
    `since` and `until` are times of commit; `types`, `schools` and `events` (ids) choose further, and an empty one
    chooses all. A dry run only counts. `count` is the number of events that a dry run has shown.
    """

    topic: ClassVar[str] = "replay.requested"

    task_id: UUID
    service: str
    consumer: str
    mode: ReplayMode
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    types: tuple[str, ...] = ()
    schools: tuple[UUID, ...] = ()
    events: tuple[UUID, ...] = ()
    dry_run: bool = False
    force: bool = False
    count: int | None = None
    requested_by: UUID | None = None
    requested_at: dt.datetime

    @property
    def subject(self) -> str:
        return str(self.task_id)

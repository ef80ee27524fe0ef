"""Fields of a filter in an address. A form sends its empty fields too: they filter nothing."""

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, BeforeValidator

from gateway.files.read_routes import FileState
from gateway.http.fields import MOST
from gateway.notifications.held_reads import HeldState
from gateway.operations.failure_reads import FailureState
from gateway.tasks.reads import WorkerState
from shared.events import TaskState
from shared.events.files import FileKind
from shared.events.reports import ReportKind
from shared.events.schedules import ScheduleState
from shared.events.values import Kind, Role
from shared.http.fields import NO_NUL

PAGE_ROWS = 25
FIRST_YEAR, LAST_YEAR = 2000, 2999


def _none_if_empty(given: Any) -> Any:
    return None if given == "" else given


def _of_our_days(given: dt.datetime | None) -> dt.datetime | None:
    """Refuse years that no event has: at their edges times cannot be compared across zones."""
    if given is not None and not FIRST_YEAR <= given.year <= LAST_YEAR:
        msg = f"must be of the years {FIRST_YEAR} to {LAST_YEAR}"
        raise ValueError(msg)
    return given


EMPTY = BeforeValidator(_none_if_empty)
Filter = Annotated[str | None, EMPTY, Query(max_length=500, pattern=NO_NUL)]
IdFilter = Annotated[UUID | None, EMPTY, Query()]
NumberFilter = Annotated[int | None, EMPTY, Query(ge=1, le=MOST)]
TaskStateFilter = Annotated[TaskState | None, EMPTY, Query()]
FailureStateFilter = Annotated[FailureState | None, EMPTY, Query()]
WorkerStateFilter = Annotated[WorkerState | None, EMPTY, Query()]
DayFilter = Annotated[dt.date | None, EMPTY, Query()]
MomentFilter = Annotated[dt.datetime | None, EMPTY, AfterValidator(_of_our_days), Query()]
"""A local time of the page's zone, as a form sends it, or an instant."""
HeldStateFilter = Annotated[HeldState | None, EMPTY, Query()]
FlagFilter = Annotated[str | None, EMPTY, Query(max_length=5)]
"""A box: checked, or not in the address at all."""
ReadFlag = Annotated[bool, Query()]
"""Whether the answer may take the seconds that reading the log takes; without it a page is its frame only."""
KindFilter = Annotated[Kind | None, EMPTY, Query()]
NotificationState = Literal["waiting", "sending", "completed", "failed", "cancelled"]
NotificationStateFilter = Annotated[NotificationState | None, EMPTY, Query()]
FileStateFilter = Annotated[FileState | None, EMPTY, Query()]
FileKindFilter = Annotated[FileKind | None, EMPTY, Query()]
ReportKindFilter = Annotated[ReportKind | None, EMPTY, Query()]
ScheduleStateFilter = Annotated[ScheduleState | None, EMPTY, Query()]
RoleFilter = Annotated[Role | None, EMPTY, Query()]


def id_of(text: str | None) -> UUID | None:
    """Return the id in a field of a form; None where it has none."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None

"""`/v1/tasks/events`, `/v1/me/inbox/events`: server-sent events. Reconnect with Last-Event-ID for missed events."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response

from gateway.http.dependencies import Rows, school_of, seen_by
from gateway.http.fields import Wanted
from gateway.http.guarded_route import GuardedRoute
from gateway.live.hub import Hub
from gateway.live.sse_response import EventStream, Interest, Watcher, encoded
from gateway.security.access_control import EVERYBODY, STAFF, allow
from gateway.security.caller import Caller, CurrentCaller
from shared.http.provided import Provided

router = APIRouter(prefix="/v1", route_class=GuardedRoute)

OVERLAP_MS = 10_000
"""A change may be heard before its row is committed, and clocks differ."""
MOST_MISSED = 500

# Select tasks that changed since an instant, of one school or of all.
SELECT_MISSED = """
SELECT task_id AS id, school_id, kind, state, epoch, version,
       jsonb_build_object('done', done, 'total', total) AS progress, result, error, changed_at
FROM task WHERE changed_at >= %(since)s AND (%(school)s::uuid IS NULL OR school_id = %(school)s)
ORDER BY changed_at LIMIT %(limit)s
"""


def _stream(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """A stream in the description: its schema is that of each event, whose `data` are JSON."""
    data = {"type": "string", "contentMediaType": "application/json"}
    event = {"type": "object", "properties": {"event": {"enum": [*kinds, "reset", "reconnect"]}, "data": data}}
    return {200: {"description": "Events, one after another", "content": {"text/event-stream": {"schema": event}}}}


LastEvent = Annotated[
    int | None, Header(alias="Last-Event-ID", ge=0, le=253_402_300_799_000, description="the id of the last event seen")
]


LastEventInQuery = Annotated[
    int | None, Query(alias="last_event_id", ge=0, le=253_402_300_799_000, description="the same, for browsers")
]
Ticket = Annotated[
    str | None, Query(max_length=4096, description="in place of a header: POST /v1/me/stream-tickets makes one")
]


Live = Annotated[Hub, Depends(Provided(Hub))]


def watcher_of(caller: Caller) -> Watcher:
    """Return the holder of the streams of a caller, in each of their roles."""
    return Watcher(str(caller.key or caller.person or caller.name), caller.school, caller.until, caller)


@router.get(
    "/tasks/events",
    tags=["tasks"],
    response_class=Response,
    responses=_stream("task"),
    dependencies=[allow(STAFF, scope="tasks:read", ticket=True)],
)
async def task_events(
    caller: CurrentCaller,
    rows: Rows,
    hub: Live,
    school: Wanted = None,
    last_event_id: LastEvent = None,
    last: LastEventInQuery = None,
    ticket: Ticket = None,  # noqa: ARG001  # admission reads it
) -> EventStream:
    """Changes of the tasks that the caller may see: `task`, the state as in `/v1/tasks`, perhaps twice; the higher
    (`epoch`, `version`) is the newer. `reset`: too much was missed, list the tasks again. `reconnect`: connect again.
    """
    where: UUID | None = None if caller.everywhere and school is None else await school_of(rows, caller, school)
    interest = Interest("task", where)
    last_event_id = last if last_event_id is None else last_event_id

    async def missed() -> list[bytes]:
        if last_event_id is None:
            return []
        since = last_event_id - OVERLAP_MS
        moment = dt.datetime.fromtimestamp(max(0, since) / 1000, dt.UTC)
        async with seen_by(rows, caller) as tx:
            found = await tx.rows(SELECT_MISSED, {"since": moment, "school": where, "limit": MOST_MISSED + 1})
        if len(found) > MOST_MISSED:
            return [encoded("reset", {"reason": "more was missed than this stream repeats"})]
        changes = [encoded("task", row, int(row["changed_at"].timestamp() * 1000)) for row in found]
        return changes + hub.lately(interest, since)

    return EventStream(hub, interest, watcher_of(caller), missed)


@router.get(
    "/me/inbox/events",
    tags=["inbox"],
    response_class=Response,
    responses=_stream("inbox"),
    dependencies=[allow(EVERYBODY, audience="person", ticket=True)],
)
async def inbox_events(
    caller: CurrentCaller,
    hub: Live,
    last_event_id: LastEvent = None,
    last: LastEventInQuery = None,
    ticket: Ticket = None,  # noqa: ARG001  # admission reads it
) -> EventStream:
    """Changes of the caller's inbox: `inbox`, with `notification_id` and `reason` (`added`, `read`), perhaps twice.
    `reset`: something may have been missed, list the inbox again. `reconnect`: connect again.
    """
    interest = Interest("inbox", caller.school, caller.person)
    last_event_id = last if last_event_id is None else last_event_id

    async def missed() -> list[bytes]:
        if last_event_id is None:
            return []
        if not hub.remembers(last_event_id):
            return [encoded("reset", {"reason": "the inbox has to be listed again"})]
        return hub.lately(interest, last_event_id - OVERLAP_MS)

    return EventStream(hub, interest, watcher_of(caller), missed)

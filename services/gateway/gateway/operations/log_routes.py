"""`/v1/log`: browse the event log, see what followed from an event, see how far back the log reaches."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from gateway.event_log.log_reader import CLOCKS, LogReader, Start
from gateway.http.dependencies import Rows
from gateway.http.fields import Cursor, Limit, Occurrence
from gateway.http.guarded_route import GuardedRoute
from gateway.operations import replay_requests
from gateway.operations.log_pages import STREAMS, LogPage, LogTreePage, page, read_cursor, tree_of
from gateway.operations.log_streams import LogStreams, describe
from gateway.problems import Problem
from gateway.security.access_control import PLATFORM, allow
from shared.events import Envelope
from shared.http.fields import NO_NUL
from shared.http.provided import Provided
from shared.messaging import topology

router = APIRouter(prefix="/v1/log", tags=["operations"], route_class=GuardedRoute)

Reader = Annotated[LogReader, Depends(Provided(LogReader))]
Text = Annotated[str | None, Query(max_length=200, pattern=NO_NUL)]
RECENT = dt.timedelta(hours=24)
MOST_IN_TREE = 5_000


@router.get("", dependencies=[allow(PLATFORM, scope="log:read")])
async def browse(
    log: Reader,
    since: Occurrence | None = None,
    until: Occurrence | None = None,
    type: Text = None,  # noqa: A002  # the field's name in the API
    school: UUID | None = None,
    subject: Text = None,
    correlation_id: UUID | None = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> LogPage:
    """List events of the log, oldest first: by default those of the last 24 hours. Bodies are not shown.

    A reading looks at 50,000 events of each stream and takes 6 seconds at most. It then says `complete: false`, and
    `next` continues. Read by a consumer of its own: no other consumer is disturbed.
    """
    begin = since or dt.datetime.now(dt.UTC) - RECENT
    starts: dict[str, Start] = dict(
        read_cursor(after, begin - CLOCKS) if after else dict.fromkeys(STREAMS, begin - CLOCKS)
    )
    if type is not None:
        starts = {stream: starts[stream] for stream in [_stream_of(type)]}

    def wanted(envelope: Envelope) -> bool:
        asked = {"type": type, "school_id": school, "subject": subject, "correlation_id": correlation_id}
        return envelope.time >= begin and (until is None or envelope.time <= until) and _fits(envelope, asked)

    return page(await log.read(starts, wanted, limit), starts, limit)


@router.get("/streams", dependencies=[allow(PLATFORM, scope="log:read")])
async def streams(log: Reader, rows: Rows) -> LogStreams:
    """Show the first and last event of each stream, and which projections could be rebuilt from the log as it is."""
    extents = await log.extents()
    async with rows.begin() as tx:
        return describe(extents, await replay_requests.replays_of(tx))


@router.get("/{event_id}/tree", dependencies=[allow(PLATFORM, scope="log:read")])
async def tree(event_id: UUID, log: Reader) -> LogTreePage:
    """Show an event with everything that followed from it. 404 if the log does not hold it.

    The id holds the time from which the log is read; a reading ends at the limits of browsing.
    """
    try:
        made = dt.datetime.fromtimestamp((event_id.int >> 80) / 1000, dt.UTC)
    except (ValueError, OverflowError):
        raise Problem(404, "not_found") from None

    def wanted(envelope: Envelope) -> bool:
        return envelope.time >= made - CLOCKS

    reads = await log.read(dict.fromkeys(STREAMS, made - 2 * CLOCKS), wanted, MOST_IN_TREE)
    entries = [each for read in reads.values() for each in read.entries]
    root = next((each for each in entries if each.envelope.id == event_id), None)
    if root is None:
        raise Problem(404, "not_found")
    correlation = root.envelope.correlation_id or root.envelope.id
    related = [each for each in entries if each.envelope.correlation_id == correlation]
    return LogTreePage(
        tree=tree_of(root, related),
        complete=all(read.complete for read in reads.values()),
        looked_at=sum(read.looked_at for read in reads.values()),
    )


def _stream_of(type_: str) -> str:
    try:
        return topology.stream_of(type_)
    except LookupError:
        errors = [{"loc": ["query", "type"], "code": "unknown", "message": "is no event; /docs/events lists them"}]
        raise Problem(422, "invalid", errors=errors) from None


def _fits(envelope: Envelope, asked: dict[str, Any]) -> bool:
    return all(value is None or getattr(envelope, name) == value for name, value in asked.items())

"""How far back the log reaches, and which projections it could make again. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel

from gateway.event_log.log_reader import Entry, Extent
from shared.messaging import topology

Rebuildable = Literal["yes", "after_resync", "in_place_only", "no"]


class LogStream(BaseModel):
    """A stream of the log. `lost`: it had events before its first one; retention has removed them."""

    stream: str
    nouns: list[str]
    events: int
    first_offset: int | None
    first_time: AwareDatetime | None
    last_offset: int | None
    last_time: AwareDatetime | None
    lost: bool


class ProjectionShown(BaseModel):
    """Whether a projection can be made from the log as it is.

    `after_resync`: publish the directory again first. `in_place_only`: it shares its tables with other writers. `no`:
    the first events of a stream are gone.
    """

    service: str
    projection: str
    streams: list[str]
    rebuild: Rebuildable


class LogStreams(BaseModel):
    """The streams, and the projections of the services with a live worker."""

    streams: list[LogStream]
    projections: list[ProjectionShown]


def describe(extents: Mapping[str, Extent], replays: Mapping[str, Mapping[str, Any]]) -> LogStreams:
    """Return what the streams hold and what could be made of it."""
    lost = {stream for stream, extent in extents.items() if extent.lost}
    projections = [
        ProjectionShown(
            service=service, projection=name, streams=streams, rebuild=_judge(each["rebuild"], streams, lost)
        )
        for service, can in sorted(replays.items())
        for name, each in sorted(can["projections"].items())
        for streams in [sorted({topology.stream_of(topic) for topic in each["topics"]})]
    ]
    return LogStreams(streams=[_stream(name, extent) for name, extent in extents.items()], projections=projections)


def _judge(rebuild: bool, streams: list[str], lost: set[str]) -> Rebuildable:  # as its service says
    gone = lost & set(streams)
    if gone:
        return "after_resync" if rebuild and gone == {topology.stream_of("school.changed")} else "no"
    return "yes" if rebuild else "in_place_only"


def _stream(name: str, extent: Extent) -> LogStream:
    first, last = extent.first, extent.last
    return LogStream(
        stream=name,
        nouns=list(topology.LOGS[name]),
        events=last.offset - first.offset + 1 if first and last else 0,
        first_offset=_offset(first),
        first_time=first and first.envelope.time,
        last_offset=_offset(last),
        last_time=last and last.envelope.time,
        lost=extent.lost,
    )


def _offset(entry: Entry | None) -> int | None:
    return None if entry is None else entry.offset

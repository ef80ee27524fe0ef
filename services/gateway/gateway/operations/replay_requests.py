"""Accepts a replay: checks it against what live workers say of themselves, then task and event in one commit."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from uuid_utils.compat import uuid7

from gateway.http.idempotency import GROUP, answered
from gateway.operations.replay_selection import ReactionIn, ReplayAccepted, ReplayIn, ResyncIn
from gateway.problems import Problem
from gateway.security.caller import Caller
from shared.events import ReplayMode, ReplayRequested, replay_task
from shared.transactions.unit_of_work import UnitOfWork

Asked = ReplayIn | ReactionIn | ResyncIn

# Find what the live workers of each service can replay.
SELECT_REPLAYS = """
SELECT DISTINCT ON (service) service, facts->'replays' AS replays FROM worker
WHERE facts ? 'replays'
  AND seen_at > clock_timestamp() - make_interval(secs => 3 * (facts->>'every_seconds')::float8)
ORDER BY service, seen_at DESC
"""
# Find the services of which any worker was heard.
SELECT_SERVICES = "SELECT DISTINCT service FROM worker ORDER BY 1"
# Show the task before its first event is projected.
INSERT_TASK = """
INSERT INTO task (task_id, kind, state, created_by) VALUES (%(task_id)s, %(kind)s, 'accepted', %(person)s)
"""


async def replays_of(tx: UnitOfWork) -> dict[str, dict[str, Any]]:
    """Return what each service with a live worker can replay."""
    return {row["service"]: row["replays"] for row in await tx.rows(SELECT_REPLAYS)}


async def accept(tx: UnitOfWork, caller: Caller, asked: Asked, key: str | None) -> ReplayAccepted:
    """Commit a replay; the same key and request give the same answer. 422 for what the service cannot, 503 without it.

    The log is not read here: what is wrong with it fails the task, with the reason, before anything is changed.
    """
    live = await replays_of(tx)
    if asked.service not in live:
        await _refuse_service(tx, asked.service)
    mode, consumer = _choose(asked, live[asked.service])
    now = dt.datetime.now(dt.UTC)
    until = getattr(asked, "until", None) or (now if mode == "react" else None)
    task, dry_run = uuid7(), getattr(asked, "dry_run", False)
    accepted = ReplayAccepted(
        task_id=task, service=asked.service, consumer=consumer, mode=mode, dry_run=dry_run, until=until
    )
    request = {"route": f"replays/{mode}", "asked": asked.model_dump(mode="json")}
    before = await answered(tx, caller, GROUP, key, request, accepted.model_dump(mode="json"))
    if before is not None:
        return ReplayAccepted.model_validate(before)
    given = {
        name: getattr(asked, name)
        for name in ("since", "types", "schools", "events", "force", "count")
        if hasattr(asked, name)
    }
    await tx.execute(INSERT_TASK, {"task_id": task, "kind": replay_task(asked.service), "person": caller.person})
    tx.emit(
        ReplayRequested(
            **given,
            **accepted.model_dump(),
            requested_by=caller.person,
            requested_at=now,
        )
    )
    return accepted


async def _refuse_service(tx: UnitOfWork, service: str) -> None:
    known = [row["service"] for row in await tx.rows(SELECT_SERVICES)]
    if service in known:
        raise Problem(503, "unavailable", f"No worker of {service} is live. Start it, then repeat the request.")
    raise _wrong("service", f"is no service that was heard of; {_listed(known, 'none was yet')}")


def _choose(asked: Asked, can: Mapping[str, Any]) -> tuple[ReplayMode, str]:
    """Return mode and consumer; raises 422, which lists what there is."""
    if isinstance(asked, ResyncIn):
        return "resync", _one_of("state", asked.state, can["resyncs"])
    if isinstance(asked, ReactionIn):
        return "react", _one_of("type", asked.type, can["reactions"])
    projections = can["projections"]
    name = asked.projection or (next(iter(projections)) if len(projections) == 1 else None)
    name = _one_of("projection", name, projections)
    rebuilds, topics = projections[name]["rebuild"], projections[name]["topics"]
    for each in asked.types:
        _one_of("types", each, topics)
    if asked.mode == "rebuild" and not rebuilds:
        raise _wrong("mode", f"{name} shares its tables with other writers; choose `in_place`")
    return asked.mode or ("rebuild" if rebuilds and not asked.filtered else "in_place"), name


def _one_of(field: str, value: str | None, there_are: Any) -> str:
    if value is None or value not in there_are:
        raise _wrong(field, _listed(there_are, "the service has none"))
    return value


def _listed(values: Any, none: str) -> str:
    return f"choose one of {', '.join(values)}" if values else none


def _wrong(field: str, message: str) -> Problem:
    return Problem(422, "invalid", errors=[{"loc": ["body", field], "code": "unknown", "message": message}])


def named(accepted: ReplayAccepted, asked: Asked) -> dict[str, str]:
    """Return what the audit says about a replay."""
    given = asked.model_dump(mode="json", exclude_defaults=True) | accepted.model_dump(mode="json", exclude_none=True)
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in given.items()
    }

"""`/v1/schedules`: later and recurring sends; the scheduler decides about changes, pauses, cancels and runs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.http.dependencies import InSchool, Rows, Services, one_school, school_of, seen_by
from gateway.http.fields import Limit, Wanted
from gateway.http.guarded_route import GuardedRoute
from gateway.http.json_types import WHOLE, Flag
from gateway.http.service_client import ServiceClients
from gateway.problems import Problem
from gateway.schedules.cancel import cancel_scheduled_send
from gateway.schedules.commands import SELECT_SCHOOL, asked_as, invalid
from gateway.schedules.schemas import ScheduleInput, Zone
from gateway.security.access_control import ADMINS, STAFF, allow
from gateway.security.audit import Audited
from gateway.security.caller import Caller, CurrentCaller
from gateway.sends import audience_checks
from gateway.sends.audience import AudienceIn, Text, audience_of
from gateway.sends.parent_tasks import check_audience_can_change, stop_other_part
from gateway.sends.schemas import Data
from shared.events.schedule_rules import OnceRule, Rule
from shared.events.schedules import ScheduleState
from shared.events.values import Channel
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/v1/schedules", tags=["schedules"], route_class=GuardedRoute)

# Select school and requester of a schedule.
SELECT_INTENT = (
    "SELECT school_id AS school, notification_id, created_by FROM schedule_intent WHERE schedule_id = %(id)s"
)
# Select the tasks of runs.
SELECT_TASKS = "SELECT task_id, state, result, error FROM task WHERE task_id = ANY(%(ids)s)"
BY_EITHER_OWNER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": {"type": "object", "additionalProperties": True}}}}
}
"""The scheduler's answer, or the notifier's if the run has started already."""
IfMatch = Annotated[str | None, Header(max_length=100)]


FIXED_MESSAGE = "This school wants a second person for large sends. Make a new schedule, which can be approved."


class ScheduleChange(ScheduleInput):
    """A change of a schedule; a field that is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[Text, StringConstraints(max_length=200)] | None = None
    body: Annotated[Text, StringConstraints(max_length=10_000)] | None = None
    data: Data | None = None
    audience: AudienceIn | None = None
    channels: list[Channel] | None = Field(default=None, min_length=1)
    urgent: Flag | None = None


class PreviewIn(ScheduleInput):
    """A rule that may be saved later."""

    school: Zone | None = None
    count: Annotated[int, Field(ge=1, le=50), WHOLE] = 10


class Which(BaseModel):
    """A schedule that the caller may see: its school, and its requester if that was a person."""

    id: UUID
    school: UUID
    notification_id: UUID | None = None
    created_by: UUID | None = None
    accepted: bool

    @property
    def path(self) -> str:
        """The path of the schedule at its owner."""
        return f"/v1/schedules/{self.id}"


async def _which(
    schedule_id: UUID, caller: CurrentCaller, rows: Rows, audited: Audited, school: Wanted = None
) -> Which:
    """Return the school of a schedule: its own, or for the system's the caller's or the named school."""
    async with seen_by(rows, caller) as tx:
        row = await tx.row(SELECT_INTENT, {"id": schedule_id})
    if row is not None:
        return Which(id=schedule_id, accepted=True, **row)
    audited.school = found = await school_of(rows, caller, school)
    return Which(id=schedule_id, school=found, accepted=False)


Seen = Annotated[Which, Depends(_which)]


async def _mine(which: Seen, caller: CurrentCaller, owners: Services) -> Which:
    """Return a schedule that the caller may decide about: their own, or any for administrators. 404 if unknown."""
    if not which.accepted:
        response = await owners.get("scheduler", which.path, caller, which.school)
        if response.status_code == 404:  # noqa: PLR2004
            raise Problem(404, "not_found")
    if caller.role not in ADMINS and (caller.person is None or which.created_by != caller.person):
        raise Problem(403, "forbidden", "Only administrators may change the schedules of other people.")
    return which


Mine = Annotated[Which, Depends(_mine)]


@router.get("", dependencies=[allow(STAFF, scope="schedules:read")])
async def listing(
    where: InSchool,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    system: bool = False,
    state: ScheduleState | None = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> Any:
    """List schedules of a school or of the `system`, newest first; pass `next` as `after`. Times are the school's."""
    params = {"system": system, "limit": limit, "state": state, "after": after and str(after)}
    given = {name: value for name, value in params.items() if value is not None}
    page = (await owners.get("scheduler", "/v1/schedules", caller, where, given)).json()
    await _with_results(rows, page["items"])
    return page


@router.post("/preview", dependencies=[allow(STAFF, scope="schedules:write")])
async def preview(
    body: PreviewIn, caller: CurrentCaller, rows: Rows, owners: Services, audited: Audited, school: Wanted = None
) -> Response:
    """Preview the next runs of a rule, by the school's calendar, before it is saved."""
    audited.school = where = await school_of(rows, caller, one_school(body.school, school))
    if body.rule is None:
        raise Problem(422, "invalid", "Give deliver_at or repeat.", errors=[])
    asked = {"rule": body.rule.model_dump(mode="json"), "timezone": body.timezone, "count": body.count}
    with _as_asked(body.rule):
        return await owners.send_command("scheduler", "POST", "/v1/schedules/preview", caller, where, asked)


@router.get("/{schedule_id}", dependencies=[allow(STAFF, scope="schedules:read")])
async def read(which: Seen, caller: CurrentCaller, rows: Rows, owners: Services) -> Response:
    """Return one schedule with its next and last run; `accepted` while the scheduler does not know it yet."""
    response = await owners.get("scheduler", which.path, caller, which.school)
    if response.status_code == 404:  # noqa: PLR2004
        if not which.accepted:
            raise Problem(404, "not_found")
        return JSONResponse({"id": str(which.id), "school_id": str(which.school), "state": "accepted"})
    found = response.json()
    await _with_results(rows, [found])
    return JSONResponse(found, headers={"ETag": response.headers["etag"]})


@router.patch("/{schedule_id}", dependencies=[allow(STAFF, scope="schedules:write")])
async def change(
    which: Mine, body: ScheduleChange, caller: CurrentCaller, rows: Rows, owners: Services, if_match: IfMatch = None
) -> Response:
    """Change time, timezone, policy or message; with If-Match only if the version is current.

    409 `conflict` for the audience of the second part of a send to a few people first.
    """
    _check_kind(which, body)
    message = body.model_dump(mode="json", exclude_none=True, include={"title", "body", "data", "channels", "urgent"})
    async with rows.request(which.school) as tx:
        if body.audience is not None:
            audience = audience_of(body.audience)
            await check_audience_can_change(tx, which.id)
            await audience_checks.check_ids(tx, which.school, audience)
            message["audience"] = audience.model_dump(mode="json")
        row = await tx.row(SELECT_SCHOOL, {"school": which.school})
    if row is None:
        raise Problem(404, "unknown_school")
    if message and row["approval_above"] is not None:
        raise Problem(409, "approval_needed", FIXED_MESSAGE)
    limits = body.seconds()
    if limits["expires_after_seconds"]:
        message["expires_after_seconds"] = limits["expires_after_seconds"]
    changes = {
        "rule": body.rule and json.loads(body.rule.model_dump_json()),
        "timezone": body.timezone,
        "catch_up": body.catch_up,
        "max_age_seconds": limits["max_age_seconds"],
        "payload": message or None,
        "directory_version": row["directory_version"],
    }
    given = {name: value for name, value in changes.items() if value is not None}
    with _as_asked(body.rule):
        return await owners.send_command(
            "scheduler", "PATCH", which.path, caller, which.school, given, if_match=if_match
        )


@router.delete("/{schedule_id}", dependencies=[allow(STAFF, scope="schedules:write")], responses=BY_EITHER_OWNER)
async def cancel(
    which: Mine, caller: CurrentCaller, rows: Rows, owners: Services, if_match: IfMatch = None
) -> Response:
    """Cancel a schedule for good. A single send that is due already is cancelled at the notifier.

    Of a send to a few people first both parts stop, whichever is named.
    """
    answer = await cancel_scheduled_send(owners, caller, which.school, which.id, which.notification_id, if_match)
    async with rows.request(which.school) as tx:
        await stop_other_part(tx, caller, which.id)
    return answer


@router.post("/{schedule_id}/pause", dependencies=[allow(STAFF, scope="schedules:write")])
async def pause(which: Mine, caller: CurrentCaller, owners: Services, if_match: IfMatch = None) -> Response:
    """Pause a schedule until it is resumed."""
    return await _post(which, "pause", caller, owners, if_match)


@router.post("/{schedule_id}/resume", dependencies=[allow(STAFF, scope="schedules:write")])
async def resume(which: Mine, caller: CurrentCaller, owners: Services, if_match: IfMatch = None) -> Response:
    """Resume a schedule: with the next tick from now, or a single send at its time."""
    return await _post(which, "resume", caller, owners, if_match)


@router.post("/{schedule_id}/run-now", dependencies=[allow(STAFF, scope="schedules:write")])
async def run_now(which: Mine, caller: CurrentCaller, owners: Services, if_match: IfMatch = None) -> Response:
    """Run a schedule once, now; a repeating schedule keeps its next tick."""
    return await _post(which, "run-now", caller, owners, if_match)


async def _post(which: Which, verb: str, caller: Caller, owners: ServiceClients, if_match: str | None) -> Response:
    path = f"{which.path}/{verb}"
    return await owners.send_command("scheduler", "POST", path, caller, which.school, if_match=if_match)


@contextmanager
def _as_asked(rule: Rule | None) -> Iterator[None]:
    """Name the caller's own field in a refusal of a rule's field."""
    try:
        yield
    except Problem as refusal:
        for error in refusal.more.get("errors", []):
            error["loc"] = ["body", asked_as(rule, error["loc"][-1])]
        raise


def _check_kind(which: Which, body: ScheduleChange) -> None:
    """Refuse a change here that does not fit its intent, so that it never waits for it."""
    once = which.notification_id is not None
    if which.accepted and body.rule is not None and isinstance(body.rule, OnceRule) != once:
        raise invalid(
            asked_as(body.rule, "kind"),
            "a single send cannot become repeating, nor the reverse: cancel it and create a new one",
        )


async def _with_results(rows: UnitOfWorkFactory, items: list[dict[str, Any]]) -> None:
    """Add the last run of each: the state and the result of its task."""
    runs = {item["last_run"]["task_id"]: item["last_run"] for item in items if item.get("last_run")}
    ids = [task for task in runs if task]
    if not ids:
        return
    async with rows.begin() as tx:
        for row in await tx.rows(SELECT_TASKS, {"ids": ids}):
            task = {"state": row["state"], "result": row["result"], "error": row["error"]}
            runs[str(row["task_id"])]["task"] = task

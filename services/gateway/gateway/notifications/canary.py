"""Sends to a few people first, and to all others after a wait: two notifications in one commit, under one task.

The few are drawn at random from those who can be reached. The rest is a schedule with a single run, whose audience
leaves them out, so that stopping it is the ordinary cancel. Both parts have one `group_id`, so that an address that
people of both share receives it once.
"""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from gateway.http.idempotency import answered
from gateway.http.service_client import ServiceClients
from gateway.notifications.read_routes import preview_at_owner
from gateway.problems import Problem
from gateway.schedules.commands import ScheduleCommand, check_rule, invalid, request_schedule
from gateway.security.caller import Caller
from gateway.sends.commands import Canary, Part, SendCommand, request_notification
from gateway.sends.parent_tasks import CANARY, INSERT_PARENT_TASK
from shared.events.schedule_rules import OnceRule
from shared.recurrence import next_run
from shared.transactions.unit_of_work import UnitOfWork

# Select the zone of a school.
SELECT_ZONE = "SELECT timezone FROM school WHERE school_id = %(school)s AND active"
TOO_LARGE = "needs an audience of more people, of whom at least as many can be reached"


async def draw_people(
    command: SendCommand, canary: Canary, caller: Caller, school: UUID, owners: ServiceClients
) -> Canary:
    """Return the canary with its people; 422 where the audience is no larger, or too few people can be reached."""
    answer = await preview_at_owner(
        owners,
        caller,
        school,
        command.audience,
        command.kind,
        command.channels,
        urgent=command.urgent,
        draw=canary.people,
    )
    found = json.loads(bytes(answer.body))
    drawn = found.get("drawn") or []
    if not has_room(canary.people, found) or len(drawn) < canary.people:
        raise invalid("canary", TOO_LARGE)
    return canary.model_copy(update={"drawn": tuple(UUID(each) for each in drawn)})


def has_room(count: int, preview: Mapping[str, Any]) -> bool:
    """Return whether the audience of a preview has more people than `count`, and as many who can be reached."""
    return count < int(preview["people"]) and count <= int(preview["people"]) - int(preview["unreachable"])


async def request_send(
    tx: UnitOfWork, caller: Caller, school: UUID, command: SendCommand, key: str | None, *, cleared: bool = False
) -> dict[str, Any]:
    """Commit a send at once, at its time, or in two parts; returns the answer, the same for the same key and request.

    Not `cleared`, it raises NeedsApproval where the school wants a second person.
    """
    if command.canary is not None:
        return await _in_two_parts(tx, caller, school, command, command.canary, key, cleared=cleared)
    return await _request(tx, caller, school, command, key, cleared=cleared)


async def _in_two_parts(
    tx: UnitOfWork,
    caller: Caller,
    school: UUID,
    command: SendCommand,
    canary: Canary,
    key: str | None,
    *,
    cleared: bool,
) -> dict[str, Any]:
    first_id = uuid7()
    first, rest = (Part(first_id, notification, uuid7()) for notification in (first_id, uuid7()))
    answer = {
        "id": str(first.group),
        "task_id": str(first.group),
        "notification_id": str(first.notification),
        "state": "accepted",
        "rest": {
            "notification_id": str(rest.notification),
            "task_id": str(rest.task),
            "schedule_id": str(rest.task),
        },
    }
    before = await answered(tx, caller, school, key, command.content(), answer)
    if before is not None:
        return before
    few = command.model_copy(update={"audience": command.audience.model_copy(update={"only_people": canary.drawn})})
    others = await _others(tx, school, command, canary)
    whole = {"task": first.group, "school": school, "kind": CANARY, "person": caller.person}
    await tx.execute(INSERT_PARENT_TASK, whole)
    for part, each in ((first, few), (rest, others)):
        await _request(tx, caller, school, each, None, cleared=cleared, part=part)
    return answer


async def _others(tx: UnitOfWork, school: UUID, command: SendCommand, canary: Canary) -> ScheduleCommand:
    """Return the second part, which is due so many minutes after the first."""
    starts: dt.datetime | None = dt.datetime.now(dt.UTC)
    if isinstance(command, ScheduleCommand):
        zone = command.timezone
        if zone is None:
            row = await tx.row(SELECT_ZONE, {"school": school})
            if row is None:
                raise Problem(404, "unknown_school")
            zone = row["timezone"]
        check_rule(command.rule, zone)
        starts = next_run(command.rule, zone, dt.datetime.min.replace(tzinfo=dt.UTC))
    assert starts is not None
    fields: dict[str, Any] = {
        **dict(command),
        "audience": command.audience.model_copy(update={"except_people": canary.drawn}),
        "rule": OnceRule(at=starts + dt.timedelta(minutes=canary.after_minutes)),
    }
    if not isinstance(command, ScheduleCommand):
        fields |= {"timezone": None, "catch_up": "once", "max_age_seconds": None, "expires_after_seconds": None}
    return ScheduleCommand(**fields)


async def _request(
    tx: UnitOfWork,
    caller: Caller,
    school: UUID,
    command: SendCommand,
    key: str | None,
    *,
    cleared: bool,
    part: Part | None = None,
) -> dict[str, Any]:
    if isinstance(command, ScheduleCommand):
        return await request_schedule(tx, caller, school, command, key, cleared=cleared, part=part)
    return await request_notification(tx, caller, school, command, key, cleared=cleared, part=part)

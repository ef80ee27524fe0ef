"""`/v1/failures`, `/v1/failure-groups`: messages that failed for good, and what operators decide about them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from uuid_utils.compat import uuid7

from gateway.http.dependencies import Configured, Rows, school_of, seen_by
from gateway.http.fields import After, Key, Limit, Number, Wanted
from gateway.http.guarded_route import GuardedRoute
from gateway.http.idempotency import GROUP, answered
from gateway.operations import dead_letters, failure_edit, failure_groups, retry_acceptance
from gateway.operations.failure_reads import (
    LIST_FAILURES,
    READ_FAILURE,
    Discarded,
    Failure,
    FailureGroups,
    FailurePage,
    FailureState,
    RetryAccepted,
)
from gateway.operations.failure_selection import FILTERS, DiscardIn, FailureSelection
from gateway.problems import Problem
from gateway.security.access_control import ADMINS, PLATFORM, allow
from gateway.security.audit import Audited
from gateway.security.caller import CurrentCaller
from shared.http.fields import NO_NUL
from shared.http.provided import Provided
from shared.persistence.encryption import SubjectKeyStore

router = APIRouter(prefix="/v1", tags=["operations"], route_class=GuardedRoute)

Text = Annotated[str | None, Query(max_length=500, pattern=NO_NUL)]


@router.get("/failure-groups", dependencies=[allow(ADMINS, scope="failures:read")])
async def groups(
    caller: CurrentCaller,
    rows: Rows,
    service: Text = None,
    queue: Text = None,
    fingerprint: Text = None,
    type: Text = None,  # noqa: A002  # the field's name in the API
    school: Wanted = None,
    limit: Limit = 50,
) -> FailureGroups:
    """List open failures by service, handler and fault, the largest groups first.

    Administrators of a school see the failures of their school.
    """
    where = caller.school if school is None else await school_of(rows, caller, school)
    given = {"service": service, "queue": queue, "fingerprint": fingerprint, "type": type, "school": where}
    async with seen_by(rows, caller) as tx:
        return await failure_groups.group(tx, dict.fromkeys(FILTERS) | given, limit)


@router.get("/failures", dependencies=[allow(ADMINS, scope="failures:read")])
async def listing(
    caller: CurrentCaller,
    rows: Rows,
    state: FailureState | None = None,
    service: Text = None,
    queue: Text = None,
    fingerprint: Text = None,
    type: Text = None,  # noqa: A002  # the field's name in the API
    school: Wanted = None,
    after: After = None,
    limit: Limit = 50,
) -> FailurePage:
    """List messages that failed for good, newest first. Administrators of a school see those of their school."""
    where = caller.school if school is None else await school_of(rows, caller, school)
    given = {"state": state, "service": service, "queue": queue, "fingerprint": fingerprint, "type": type}
    async with seen_by(rows, caller) as tx:
        found = await LIST_FAILURES.all(tx, **given, school=where, after=after, limit=limit + 1)
    items = found[:limit]
    return FailurePage(items=items, next=items[-1].id if len(found) > limit else None)


@router.get("/failures/{failure_id}", dependencies=[allow(ADMINS, scope="failures:read")])
async def read(failure_id: Number, caller: CurrentCaller, rows: Rows) -> Failure:
    """Show one failure, without its message's body and headers."""
    async with seen_by(rows, caller) as tx:
        found = await READ_FAILURE.first(tx, id=failure_id)
    if found is None:
        raise Problem(404, "not_found")
    return found


@router.post("/failures/retry", status_code=202, dependencies=[allow(PLATFORM, scope="failures:write")])
async def retry_many(
    selection: FailureSelection,
    caller: CurrentCaller,
    rows: Rows,
    audited: Audited,
    response: Response,
    idempotency_key: Key = None,
) -> RetryAccepted:
    """Return a selection of open failures to their queues, as a task: 1, 2, 5, 10, … of each fault, then 1,000 each.

    The next wave waits until each message of the last one was handled or has failed again. A fault that returns stops
    its own messages. The task's result counts what was retried, skipped, failed again and halted. 409 `drifted` when
    the selection has another size than `count`, 409 `conflict` when a running retry has some of it.
    """
    audited.subject |= selection.named()
    task = uuid7()
    accepted = RetryAccepted(task_id=task, count=selection.count)
    request = {"route": "failures/retry", "selection": selection.model_dump(mode="json")}
    async with rows.begin() as tx:
        before = await answered(tx, caller, GROUP, idempotency_key, request, accepted.model_dump(mode="json"))
        if before is None:
            await retry_acceptance.accept(tx, task, selection, caller.person)
        else:
            accepted = RetryAccepted.model_validate(before)
    audited.subject["task_id"] = str(accepted.task_id)
    response.headers["Location"] = f"/v1/tasks/{accepted.task_id}"
    return accepted


@router.post("/failures/discard", dependencies=[allow(PLATFORM, scope="failures:write")])
async def discard(selection: DiscardIn, caller: CurrentCaller, rows: Rows, audited: Audited) -> Discarded:
    """Close a selection of open failures without a retry, for a reason that stays with them and in the audit.

    409 `drifted` when the selection has another size than `count`; nothing is discarded then.
    """
    audited.subject |= selection.named() | {"reason": selection.reason}
    async with rows.begin() as tx:
        await failure_groups.discard(tx, selection.values(), selection.count, caller.person, selection.reason)
    return Discarded(discarded=selection.count)


@router.post("/failures/{failure_id}/retry", dependencies=[allow(PLATFORM, scope="failures:write")])
async def retry(failure_id: Number, caller: CurrentCaller, rows: Rows, settings: Configured) -> Failure:
    """Return a message to the queue that it died in, unchanged. If it fails again, it is a failure again at once.

    A consumer that has handled it before does nothing. 409 `too_late` when it has been given back and not died since.
    """
    async with rows.begin() as tx:
        return await dead_letters.retry(tx, failure_id, caller.person, settings.retry_days)


@router.post("/failures/{failure_id}/edit", dependencies=[allow(PLATFORM, scope="failures:write")])
async def edit(
    failure_id: Number,
    body: failure_edit.EditIn,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    vault: Annotated[SubjectKeyStore, Depends(Provided(SubjectKeyStore))],
    audited: Audited,
) -> failure_edit.EditedFailure:
    """Change fields of a message and return it to the queue that it died in; the answer shows what differs.

    The edited message must keep the contract of its event. Personal fields are neither shown nor edited. The message
    that failed is kept; `edited_at`, `edited_by`, `edit_reason` and `edited_fields` say how the failure was resolved.
    """
    audited.subject |= {"reason": body.reason, "fields": ", ".join(sorted(body.changes)), "dry_run": str(body.dry_run)}
    async with rows.begin() as tx:
        return await failure_edit.edit(tx, vault, failure_id, body, caller.person, settings.retry_days)

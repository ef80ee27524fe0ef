"""Accepts sends by one statement each commit: key, every check, task, intent and outbox row, or none of them.

Sends that arrive for a school during a commit share the next one. A send that the statement does not accept (a used
key, an unknown id, a grade without students, a school with a limit) is checked again step by step, which says why.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
from uuid_utils.compat import uuid7

from gateway.http.idempotency import digest
from gateway.security.caller import Caller
from gateway.sends.commands import SendCommand, request_notification, requested
from shared.events.notifications import SEND_TASK
from shared.persistence.database_errors import is_database_down
from shared.transactions.outbox import event_row, json_text
from shared.transactions.unit_of_work import UnitOfWorkFactory

TOGETHER = 50
"""Sends in one commit at most."""
AT_ONCE = 3
"""Commits of one school under way: while the first waits for the disk the next is being gathered."""

# Accept sends of one school, each with all of its effects or with none; returns the tasks of those accepted.
# The school is bound before any table is read, because everything is read from `asked`. OFFSET 0 keeps the planner
# from reading `school` first. Keys are inserted in order, so that two gateways with the same keys do not deadlock.
ACCEPT_SENDS = """, asked AS MATERIALIZED (
    SELECT b.school_id, r.* FROM bound b CROSS JOIN jsonb_to_recordset(%(asked)s) AS r(
        task uuid, notification uuid, person uuid, asker text, key text, request text, answer jsonb, people uuid[],
        students uuid[], classes uuid[], grade text, cleared boolean, topic text, headers text,
        data text)
), sound AS MATERIALIZED (
    SELECT a.*, s.directory_version FROM asked a
    CROSS JOIN LATERAL (SELECT directory_version, approval_above FROM school
                        WHERE school_id = a.school_id AND active OFFSET 0) s
    WHERE (a.cleared OR s.approval_above IS NULL)
      AND NOT EXISTS (SELECT FROM unnest(a.people) AS n(id) WHERE NOT EXISTS (
              SELECT FROM membership m WHERE m.school_id = a.school_id AND m.person_id = n.id))
      AND NOT EXISTS (SELECT FROM unnest(a.students) AS n(id) WHERE NOT EXISTS (
              SELECT FROM student t WHERE t.school_id = a.school_id AND t.student_id = n.id))
      AND NOT EXISTS (SELECT FROM unnest(a.classes) AS n(id) WHERE NOT EXISTS (
              SELECT FROM school_class c WHERE c.school_id = a.school_id AND c.class_id = n.id))
      AND (a.grade IS NULL AND a.classes IS NULL
           OR EXISTS (SELECT FROM audience_students(a.school_id, a.grade, a.classes)))
), keyed AS (
    INSERT INTO idempotency_key (school_id, asker, key, request, answer)
    SELECT school_id, asker, key, decode(request, 'hex'), answer FROM sound WHERE key IS NOT NULL ORDER BY asker, key
    ON CONFLICT DO NOTHING RETURNING (answer ->> 'task_id')::uuid AS task
), taken AS MATERIALIZED (
    SELECT * FROM sound WHERE key IS NULL UNION ALL SELECT sound.* FROM sound JOIN keyed USING (task)
), tasks AS (
    INSERT INTO task (task_id, school_id, kind, state, created_by)
    SELECT task, school_id, %(kind)s, 'accepted', person FROM taken
), intents AS (
    INSERT INTO intent (notification_id, school_id, task_id) SELECT notification, school_id, task FROM taken
), put AS MATERIALIZED (
    SELECT put_events(array_agg((topic, headers, json_with(data, 'directory_version', directory_version::text),
                                 notification)::outbox_event)) FROM taken
)
SELECT task FROM taken, put
"""
BY_STATEMENT = {"directory_version"}


class _Queue:
    """Sends of one school that wait for a commit, and the number of commits under way."""

    def __init__(self) -> None:
        self.waiting: list[tuple[dict[str, Any], asyncio.Future[bool]]] = []
        self.under_way = 0


class BatchAcceptor:
    """Accepts sends in batches, one queue for each school."""

    def __init__(self, rows: UnitOfWorkFactory) -> None:
        self._rows = rows
        self._queues: dict[UUID, _Queue] = {}
        self._commits: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        """Whether no send waits."""
        return not self._queues

    async def send(
        self, caller: Caller, school: UUID, command: SendCommand, key: str | None, *, cleared: bool = False
    ) -> dict[str, Any]:
        """Commit the intent; returns the answer, the same for the same key and request.

        404 for a school that is none, 409 for a key that was another request's, 422 with every id that is unknown.
        Not `cleared`, it raises NeedsApproval where the school wants a second person.
        """
        now = dt.datetime.now(dt.UTC)
        if command.expires_at is None or command.expires_at > now:
            asked = self._asked(caller, school, command, key, now) | {"cleared": cleared or command.kind == "safety"}
            if await self._together(school, asked):
                answer: dict[str, Any] = asked["answer"]
                return answer
        async with self._rows.request(school) as tx:
            return await request_notification(tx, caller, school, command, key, cleared=cleared)

    def _asked(
        self, caller: Caller, school: UUID, command: SendCommand, key: str | None, now: dt.datetime
    ) -> dict[str, Any]:
        """Return a send as a parameter of the statement, which adds the directory's version to the event."""
        notification, task = uuid7(), uuid7()
        event = requested(caller, school, notification, task, command, now)
        row = event_row(event, self._rows.service, None, without=BY_STATEMENT)
        audience = command.audience
        ids = {"notification_id": str(notification), "task_id": str(task)}
        return {
            "task": ids["task_id"],
            "notification": ids["notification_id"],
            "person": caller.person,
            "asker": caller.name,
            "key": key,
            "request": digest(command.content()).hex() if key is not None else None,
            "answer": {"id": ids["notification_id"], **ids, "state": "accepted"},
            "people": audience.people,
            "students": audience.students,
            "classes": audience.classes,
            "grade": audience.grade,
            "topic": row.routing_key,
            "headers": row.headers,
            "data": row.data,
        }

    async def _together(self, school: UUID, asked: dict[str, Any]) -> bool:
        """Return whether a send was committed; if not, nothing of it was."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        queue = self._queues.setdefault(school, _Queue())
        queue.waiting.append((asked, done))
        if queue.under_way < AT_ONCE:
            queue.under_way += 1
            commits = asyncio.create_task(self._commits_of(school, queue))
            self._commits.add(commits)
            commits.add_done_callback(self._commits.discard)
        return await done

    async def _commits_of(self, school: UUID, queue: _Queue) -> None:
        """Commit the sends that wait, until none does."""
        while queue.waiting:
            now, queue.waiting = queue.waiting[:TOGETHER], queue.waiting[TOGETHER:]
            try:
                asked = json_text([each for each, _ in now])
                values = {"asked": asked, "kind": SEND_TASK}
                rows = await self._rows.run_single_statement(school, ACCEPT_SENDS, values)
            except Exception as problem:  # noqa: BLE001  # each send that waits gets it
                _settle(now, problem)
            else:
                _settle(now, {str(row["task"]) for row in rows})
        queue.under_way -= 1
        if not queue.under_way:
            self._queues.pop(school, None)


def _settle(sends: Sequence[tuple[dict[str, Any], asyncio.Future[bool]]], found: set[str] | Exception) -> None:
    """Return to each send whether it was committed; after a statement that failed, each is checked by itself."""
    for asked, done in sends:
        if done.done():
            continue
        if isinstance(found, set):
            done.set_result(asked["task"] in found)
        elif isinstance(found, psycopg.Error) and not is_database_down(found):
            done.set_result(False)
        else:
            done.set_exception(found)

"""Events of thousands of people and students, made by two statements where the rows are: those of `publish`.

An import of 100,000 people would otherwise spend most of its time on carrying rows to Python and events back. A test
compares the two ways, field by field.
"""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from gateway.directory import publish
from shared.events import Envelope, PersonChanged, StudentChanged
from shared.events.envelope import PREFIX
from shared.events.event import Event
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

SOURCE = "gateway"
SAMPLE_ID = UUID(int=0)
BATCH = 2_000
OWN = ("id", "subject", "schoolid", "time")
"""Attributes that differ from event to event."""

# Reserve directory versions, as `publish.RESERVE_VERSIONS`: the schools' rows are locked before, last of all rows.
RESERVE_VERSIONS = """counted AS (
    SELECT school_id, count(*) AS n FROM emitted GROUP BY school_id
), reserved AS (
    UPDATE school s SET directory_version = s.directory_version + c.n
    FROM counted c WHERE s.school_id = c.school_id
    RETURNING s.school_id, s.directory_version - c.n AS since
)"""
# Lock every school that the people ever belonged to.
LOCK_SCHOOLS = """
SELECT FROM school WHERE school_id IN (SELECT m.school_id FROM membership m WHERE m.person_id = ANY(%(people)s))
ORDER BY school_id FOR NO KEY UPDATE
"""

# Put the events of people into the outbox; returns how many.
EMIT_PEOPLE = f"""
WITH emitted AS MATERIALIZED (
    SELECT DISTINCT m.person_id, m.school_id FROM membership m WHERE m.person_id = ANY(%(people)s)
), {RESERVE_VERSIONS}, numbered AS (
    SELECT a.person_id, a.school_id, row_number() OVER (PARTITION BY a.school_id ORDER BY a.person_id) AS nth
    FROM emitted a
), placed AS (
    SELECT n.person_id, jsonb_object_agg(n.school_id, r.since + n.nth) AS positions
    FROM numbered n JOIN reserved r USING (school_id) GROUP BY n.person_id
), made AS (
    SELECT p.person_id,
    %(headers)s::jsonb || jsonb_build_object('ce-id', uuid7(), 'ce-subject', p.person_id, 'ce-time', %(time)s::text)
        AS headers,
    jsonb_build_object(
        'person_id', p.person_id, 'version', p.version, 'active', p.active, 'language', p.language,
        'timezone', p.timezone, 'given_name', p.given_name, 'family_name', p.family_name, 'erased_at', p.erased_at,
        'quiet', CASE WHEN p.quiet_starts IS NOT NULL
                      THEN jsonb_build_object('starts', p.quiet_starts, 'ends', p.quiet_ends) END,
        'positions', coalesce(l.positions, '{{}}'),
        'memberships', (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'school_id', m.school_id, 'role', m.role, 'grade', m.grade, 'starts', m.starts, 'ends', m.ends)
            ORDER BY m.school_id, m.role), '[]') FROM membership m WHERE m.person_id = p.person_id),
        'contacts', (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', c.kind, 'address', c.address)
            ORDER BY c.kind, c.address), '[]') FROM contact c WHERE c.person_id = p.person_id),
        'devices', (SELECT coalesce(jsonb_agg(jsonb_build_object('token', d.token, 'fid', d.fid,
            'platform', d.platform, 'registered_at', d.registered_at) ORDER BY d.token), '[]')
            FROM device d WHERE d.person_id = p.person_id),
        'preferences', (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', f.kind, 'channel', f.channel,
            'wanted', f.wanted) ORDER BY f.kind, f.channel), '[]')
            FROM preference f WHERE f.person_id = p.person_id)) AS data
    FROM person p LEFT JOIN placed l USING (person_id) WHERE p.person_id = ANY(%(people)s)
)
SELECT put_events(array_agg((%(topic)s, m.headers::text, m.data::text, m.person_id)::outbox_event
                            ORDER BY m.person_id)) AS n
FROM made m
"""  # noqa: S608  # our own statement

# Begin a statement: lock some students whose events are due.
SELECT_DUE = """
WITH due AS MATERIALIZED (
    SELECT school_id, student_id FROM student WHERE NOT told
    ORDER BY school_id, student_id LIMIT %(limit)s FOR NO KEY UPDATE
)"""
# Select the schools of the students whose events are due.
SELECT_DUE_SCHOOLS = f"{SELECT_DUE} SELECT DISTINCT school_id FROM due"  # noqa: S608  # our own statement
# Put the events of students that are due into the outbox; returns how many.
EMIT_STUDENTS = f"""
{SELECT_DUE}, emitted AS MATERIALIZED (
    UPDATE student s SET told = true FROM due d WHERE (s.school_id, s.student_id) = (d.school_id, d.student_id)
    RETURNING s.*
), {RESERVE_VERSIONS}, numbered AS (
    SELECT m.*, row_number() OVER (PARTITION BY m.school_id ORDER BY m.student_id) AS nth FROM emitted m
), made AS (
    SELECT s.school_id, s.student_id,
    %(headers)s::jsonb || jsonb_build_object('ce-id', uuid7(), 'ce-schoolid', s.school_id, 'ce-time', %(time)s::text,
                                             'ce-subject', format('%%s:%%s', s.school_id, s.student_id)) AS headers,
    jsonb_build_object(
        'student_id', s.student_id, 'school_id', s.school_id, 'grade', s.grade, 'active', s.active,
        'version', s.version, 'positions', jsonb_build_object(s.school_id, r.since + s.nth),
        'classes', k.classes, 'class_names', k.names,
        'guardians', (SELECT coalesce(jsonb_agg(jsonb_build_object('person_id', g.guardian_id, 'rank', g.rank,
            'relationship', g.relationship, 'custody', g.custody, 'billing', g.billing, 'emergency', g.emergency)
            ORDER BY g.rank, g.guardian_id), '[]')
            FROM guardianship g WHERE g.school_id = s.school_id AND g.student_id = s.student_id)) AS data
    FROM numbered s JOIN reserved r USING (school_id) CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(e.class_id ORDER BY e.class_id), '[]') AS classes,
            coalesce(jsonb_agg(c.title ORDER BY e.class_id), '[]') AS names
        FROM current_enrolment e JOIN school_class c USING (class_id)
        WHERE e.person_id = s.student_id AND e.school_id = s.school_id AND e.role = 'student'
    ) k
)
SELECT put_events(array_agg((%(topic)s, m.headers::text, m.data::text, NULL)::outbox_event
                            ORDER BY m.school_id, m.student_id)) AS n
FROM made m
"""  # noqa: S608  # our own statement


async def people(tx: UnitOfWork, changed: Sequence[UUID]) -> None:
    """Emit the present state of people, whose rows this transaction holds, for all schools they ever belonged to."""
    if changed:
        sample = PersonChanged(person_id=SAMPLE_ID, version=0)
        await tx.execute(LOCK_SCHOOLS, {"people": list(changed)})
        await tx.execute(EMIT_PEOPLE, {"people": list(changed), **_envelope(tx, sample)})


async def students(tx: UnitOfWork, limit: int = BATCH) -> int:
    """Emit the present state of students that are marked for it; returns how many were."""
    sample = StudentChanged(student_id=SAMPLE_ID, school_id=SAMPLE_ID, version=0)
    schools = [row["school_id"] for row in await tx.rows(SELECT_DUE_SCHOOLS, {"limit": limit})]
    await tx.execute(publish.LOCK_SCHOOLS, {"schools": schools})
    row = await tx.row(EMIT_STUDENTS, {"limit": limit, **_envelope(tx, sample)})
    assert row is not None
    published: int = row["n"]
    return published


async def emit_remaining(transactions: UnitOfWorkFactory) -> None:
    """Emit the state of students whose import stopped or died between writing and emitting."""
    async with transactions.begin() as tx:
        await students(tx)


def _envelope(tx: UnitOfWork, sample: Event) -> dict[str, Any]:
    """Return what all events of a statement share: headers, topic, time."""
    headers = Envelope.of(sample, SOURCE, tx.cause).headers()
    shared = {name: value for name, value in headers.items() if name.removeprefix(PREFIX) not in OWN}
    if tx.cause is None:
        shared.pop(f"{PREFIX}correlationid", None)
    now = dt.datetime.now(dt.UTC).isoformat()
    return {"topic": sample.topic, "headers": json.dumps(shared), "time": now}

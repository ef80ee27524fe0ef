"""Schools, terms, classes and enrolments of a roster into the directory, set-based."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from gateway.directory import publish
from gateway.directory.schools import BUMP_CALENDAR, INSERT_CALENDARS
from gateway.roster_import.oneroster import Enrolment, Org, SchoolClass, Status, Term
from gateway.roster_import.people import Place, digest
from shared.transactions.unit_of_work import UnitOfWork

# Write new and changed schools; returns them.
UPSERT_SCHOOLS = """
INSERT INTO school AS s (school_id, source, sourced_id, name, timezone, active)
SELECT school_id, %(source)s, sourced_id, name, coalesce(timezone, 'UTC'), active FROM jsonb_to_recordset(%(rows)s)
    AS r(school_id uuid, sourced_id text, name text, timezone text, active boolean) ORDER BY sourced_id
ON CONFLICT (sourced_id) DO UPDATE SET name = excluded.name,
    timezone = CASE WHEN excluded.timezone = 'UTC' THEN s.timezone ELSE excluded.timezone END,
    active = excluded.active, version = s.version + 1,
    source = CASE WHEN s.source = '' THEN excluded.source ELSE s.source END
WHERE (s.name, s.active) IS DISTINCT FROM (excluded.name, excluded.active)
   OR (excluded.timezone <> 'UTC' AND excluded.timezone <> s.timezone) OR s.source = '' AND excluded.source <> ''
RETURNING school_id
"""
# Make schools inactive that are gone; returns them.
CLOSE_SCHOOLS = """
UPDATE school SET active = false, version = version + 1
WHERE sourced_id = ANY(%(ids)s) AND source IN ('', %(source)s) AND active RETURNING school_id
"""
# Select the ids of all schools that rosters named.
SELECT_SCHOOL_IDS = "SELECT sourced_id, school_id FROM school WHERE sourced_id IS NOT NULL"

# Lock the calendars of schools.
LOCK_CALENDARS = "SELECT FROM calendar WHERE school_id = ANY(%(schools)s) ORDER BY school_id FOR NO KEY UPDATE"
# Select the schools of terms that are named as gone.
SELECT_TERM_SCHOOLS = """
SELECT DISTINCT school_id FROM term WHERE sourced_id = ANY(%(gone)s) AND source = ANY(%(sources)s)
"""
# Write new and changed terms; returns their schools.
UPSERT_TERMS = """
INSERT INTO term AS t (term_id, school_id, sourced_id, name, kind, starts, ends, source)
SELECT r.*, %(source)s FROM jsonb_to_recordset(%(rows)s) AS r(term_id uuid, school_id uuid, sourced_id text, name text,
                                                              kind text, starts date, ends date)
ORDER BY school_id, sourced_id
ON CONFLICT (school_id, sourced_id, source) DO UPDATE SET name = excluded.name, kind = excluded.kind,
    starts = excluded.starts, ends = excluded.ends
WHERE (t.name, t.kind, t.starts, t.ends) IS DISTINCT FROM (excluded.name, excluded.kind, excluded.starts, excluded.ends)
RETURNING school_id
"""
# Delete terms that are gone; returns their schools.
# A term that is over is history, which a new year's roster does not repeat.
DELETE_TERMS = """
DELETE FROM term WHERE source = ANY(%(sources)s) AND ends >= school_today(school_id)
  AND (sourced_id = ANY(%(gone)s)
       OR %(complete)s AND school_id = ANY(%(schools)s) AND NOT (sourced_id = ANY(%(kept)s)))
RETURNING school_id
"""

# Write new and changed classes; returns them.
UPSERT_CLASSES = """
INSERT INTO school_class AS c (class_id, school_id, source, sourced_id, title, code, kind, grades, digest)
SELECT r.class_id, r.school_id, %(source)s, r.sourced_id, r.title,
       CASE WHEN r.coded THEN r.code ELSE o.code END, r.kind,
       CASE WHEN r.graded THEN r.grades ELSE coalesce(o.grades, '{}') END, decode(r.digest, 'hex')
FROM jsonb_to_recordset(%(rows)s) AS r(class_id uuid, school_id uuid, sourced_id text, title text, code text,
                                       coded boolean, kind text, grades text[], graded boolean, digest text)
LEFT JOIN school_class o ON (o.sourced_id, o.source) = (r.sourced_id, %(source)s)
ORDER BY r.sourced_id
ON CONFLICT (sourced_id, source) DO UPDATE SET title = excluded.title, code = excluded.code, kind = excluded.kind,
    grades = excluded.grades, active = true, digest = excluded.digest, version = c.version + 1
WHERE c.digest IS DISTINCT FROM excluded.digest OR NOT c.active
RETURNING class_id
"""
# Select which classes have ended and are to be active again, or are to have another name.
SELECT_OTHER_CLASSES = """
SELECT c.class_id FROM school_class c JOIN unnest(%(ids)s::text[], %(titles)s::text[]) AS w(sourced_id, title)
    USING (sourced_id)
WHERE c.source = %(source)s AND (NOT c.active OR c.title <> w.title)
"""
# End classes that are gone; returns them.
END_CLASSES = """
UPDATE school_class SET active = false, digest = NULL, version = version + 1
WHERE active AND sourced_id IS NOT NULL AND source = ANY(%(sources)s)
  AND (sourced_id = ANY(%(gone)s) OR %(complete)s AND school_id = ANY(%(schools)s) AND NOT (sourced_id = ANY(%(kept)s)))
RETURNING class_id
"""
# Mark the students of classes, so that their events are emitted.
MARK_CLASS_STUDENTS = """
WITH held AS (
    SELECT s.school_id, s.student_id FROM student s WHERE EXISTS (
        SELECT FROM enrolment e WHERE e.class_id = ANY(%(classes)s) AND e.person_id = s.student_id
          AND e.school_id = s.school_id AND e.role = 'student' AND NOT e.lapsed)
    ORDER BY s.school_id, s.student_id FOR NO KEY UPDATE
)
UPDATE student s SET told = false, version = s.version + 1 FROM held h
WHERE (s.school_id, s.student_id) = (h.school_id, h.student_id)
"""

# Continue a statement that changes enrolments: mark their students, so that their events are emitted.
MARK_CHANGED_STUDENTS = """
), held AS (
    SELECT s.school_id, s.student_id FROM student s
    JOIN (SELECT DISTINCT c.school_id, c.person_id FROM changed c WHERE c.role = 'student') AS c
      ON (s.school_id, s.student_id) = (c.school_id, c.person_id)
    ORDER BY s.school_id, s.student_id FOR NO KEY UPDATE OF s
), pupils AS (
    UPDATE student s SET told = false, version = s.version + 1 FROM held h
    WHERE (s.school_id, s.student_id) = (h.school_id, h.student_id)
)
SELECT count(*) AS n FROM changed
"""
# Write new and changed enrolments; returns how many.
UPSERT_ENROLMENTS = f"""
WITH incoming AS MATERIALIZED (
    SELECT DISTINCT ON (c.class_id, p.person_id, r.role) c.class_id, p.person_id, r.role, c.school_id, r.sourced_id,
           coalesce(r.leads, b.leads, false) AS leads, r.starts, r.ends, NOT is_current(r.ends, c.school_id) AS lapsed
    FROM jsonb_to_recordset(%(rows)s) AS r(sourced_id text, school_class text, person text, role text, leads boolean,
                                           starts date, ends date)
    JOIN school_class c ON (c.sourced_id, c.source) = (r.school_class, %(source)s)
    JOIN person p ON (p.sourced_id, p.source) = (r.person, %(source)s)
    LEFT JOIN enrolment b ON (b.class_id, b.person_id, b.role) = (c.class_id, p.person_id, r.role)
    ORDER BY c.class_id, p.person_id, r.role, r.ends DESC NULLS FIRST
), changed AS (
    INSERT INTO enrolment AS e (class_id, person_id, role, school_id, sourced_id, leads, starts, ends, lapsed)
    SELECT i.* FROM incoming i WHERE NOT EXISTS (
        SELECT FROM enrolment o WHERE (o.class_id, o.person_id, o.role) = (i.class_id, i.person_id, i.role)
          AND (o.sourced_id, o.leads, o.starts, o.ends, o.lapsed)
              IS NOT DISTINCT FROM (i.sourced_id, i.leads, i.starts, i.ends, i.lapsed))
    ORDER BY i.class_id, i.person_id, i.role
    ON CONFLICT (class_id, person_id, role) DO UPDATE SET sourced_id = excluded.sourced_id, leads = excluded.leads,
        starts = excluded.starts, ends = excluded.ends, lapsed = excluded.lapsed
    WHERE (e.sourced_id, e.leads, e.starts, e.ends, e.lapsed)
          IS DISTINCT FROM (excluded.sourced_id, excluded.leads, excluded.starts, excluded.ends, excluded.lapsed)
    RETURNING e.school_id, e.person_id, e.role
{MARK_CHANGED_STUDENTS}
"""  # noqa: S608  # our own statements
# Select the enrolments from rosters that have not lapsed at these schools.
SELECT_ENROLMENTS = """
SELECT e.sourced_id FROM enrolment e JOIN school_class c USING (class_id)
WHERE e.school_id = ANY(%(schools)s) AND e.sourced_id IS NOT NULL AND NOT e.lapsed AND c.source = ANY(%(sources)s)
"""
# End enrolments today; returns how many.
END_ENROLMENTS = f"""
WITH changed AS (
    UPDATE enrolment e SET ends = school_today(e.school_id), lapsed = true FROM school_class c
    WHERE e.sourced_id = ANY(%(ids)s) AND NOT e.lapsed AND c.class_id = e.class_id AND c.source = ANY(%(sources)s)
    RETURNING e.school_id, e.person_id, e.role
{MARK_CHANGED_STUDENTS}
"""  # noqa: S608  # our own statements


async def schools(tx: UnitOfWork, orgs: Sequence[Org], source: str) -> int:
    """Write the schools of a roster and emit their events; returns how many are new or changed."""
    wanted = [
        {"school_id": uuid7(), "sourced_id": o.sourced_id, "name": o.name, "timezone": o.timezone, "active": True}
        for o in orgs
        if o.is_school and o.status is Status.ACTIVE
    ]
    gone = [org.sourced_id for org in orgs if org.status is not Status.ACTIVE]
    changed = [row["school_id"] for row in await tx.rows(UPSERT_SCHOOLS, {"source": source} | publish.rows(wanted))]
    changed += (
        [row["school_id"] for row in await tx.rows(CLOSE_SCHOOLS, {"ids": gone, "source": source})] if gone else []
    )
    if changed:
        await publish.emit_states(tx, schools=sorted(changed))
    return len(changed)


async def school_ids(tx: UnitOfWork) -> dict[str, UUID]:
    """Return school ids by sourcedId."""
    return {row["sourced_id"]: row["school_id"] for row in await tx.rows(SELECT_SCHOOL_IDS)}


async def terms(
    tx: UnitOfWork,
    found: Mapping[UUID, Sequence[Term]],
    gone: Sequence[str],
    kept: Iterable[str],
    place: Place,
    *,
    complete: bool,
) -> int:
    """Write the terms of each school and emit changed calendars; returns how many calendars changed.

    A complete upload speaks for the schools that it names; a session that it names as gone is gone at every school.
    """
    named = await tx.rows(SELECT_TERM_SCHOOLS, {"gone": list(gone), "sources": place.sources}) if gone else []
    where = sorted({*found, *(row["school_id"] for row in named)})
    await tx.execute(INSERT_CALENDARS, {"schools": where})
    await tx.execute(LOCK_CALENDARS, {"schools": where})
    rows = [
        {
            "term_id": uuid7(),
            "school_id": school,
            "sourced_id": term.sourced_id,
            "name": term.title,
            "kind": term.kind,
            "starts": term.begins,
            "ends": _last_day(term),
        }
        for school in sorted(found)
        for term in found[school]
    ]
    scope = {"schools": sorted(found), "gone": list(gone), "kept": sorted(kept), "complete": complete}
    scope |= {"sources": place.sources}
    changed = {row["school_id"] for row in await tx.rows(UPSERT_TERMS, {"source": place.source} | publish.rows(rows))}
    changed |= {row["school_id"] for row in await tx.rows(DELETE_TERMS, scope)}
    for school in sorted(changed):
        await tx.execute(BUMP_CALENDAR, {"school": school, "weekdays": None})
    if changed:
        await publish.emit_states(tx, calendars=sorted(changed))
    return len(changed)


async def classes(tx: UnitOfWork, chunk: Sequence[SchoolClass], place: Place) -> int:
    """Write classes; returns how many are new, changed or active again."""
    rows = [
        {
            "class_id": uuid7(),
            "school_id": place.schools[each.school],
            "sourced_id": each.sourced_id,
            "title": each.title,
            "code": each.code,
            "coded": "classCode" not in each.unsaid,
            "kind": each.kind,
            "grades": list(each.grades),
            "graded": "grades" not in each.unsaid,
            "digest": digest([each.title, each.code, each.kind, each.school, each.grades, sorted(each.unsaid)]),
        }
        for each in chunk
    ]
    source = {"source": place.source}
    names = {"ids": [each.sourced_id for each in chunk], "titles": [each.title for each in chunk]}
    other = await tx.rows(SELECT_OTHER_CLASSES, source | names)
    changed = await tx.rows(UPSERT_CLASSES, source | publish.rows(rows))
    await tx.execute(MARK_CLASS_STUDENTS, {"classes": [row["class_id"] for row in other]})
    return len(changed)


async def end_classes(tx: UnitOfWork, gone: Sequence[str], kept: Iterable[str], place: Place, *, complete: bool) -> int:
    """End classes that a complete upload does not name, or that changes name as gone."""
    scope = {"gone": list(gone), "kept": sorted(kept), "schools": list(place.about), "complete": complete}
    scope |= {"sources": place.sources}
    over = [row["class_id"] for row in await tx.rows(END_CLASSES, scope)]
    await tx.execute(MARK_CLASS_STUDENTS, {"classes": over})
    return len(over)


async def enrolments(tx: UnitOfWork, chunk: Sequence[Enrolment], source: str) -> int:
    """Write enrolments; returns how many are new or changed. The events of their students follow later."""
    rows = [
        {
            "sourced_id": each.sourced_id,
            "school_class": each.school_class,
            "person": each.person,
            "role": each.role,
            "leads": each.primary,
            "starts": each.begins,
            "ends": each.ends,
        }
        for each in chunk
    ]
    return await count(tx, UPSERT_ENROLMENTS, {"source": source} | publish.rows(rows))


async def enrolled(tx: UnitOfWork, place: Place) -> set[str]:
    """Return the enrolments that rosters of a source brought to its schools and that have not lapsed."""
    scope = {"schools": list(place.about), "sources": place.sources}
    return {row["sourced_id"] for row in await tx.rows(SELECT_ENROLMENTS, scope)}


async def end_enrolments(tx: UnitOfWork, ids: Sequence[str], place: Place) -> int:
    """End enrolments today; returns how many had not ended."""
    return await count(tx, END_ENROLMENTS, {"ids": list(ids), "sources": place.sources})


async def count(tx: UnitOfWork, statement: str, values: dict[str, Any]) -> int:
    """Run a statement that returns in `n` how many rows it changed; returns that."""
    row = await tx.row(statement, values)
    assert row is not None
    found: int = row["n"]
    return found


def _last_day(term: Term) -> dt.date | None:
    """Return the last day of a term: OneRoster's end is the first day after, and a session has at least a day."""
    if term.begins is None or term.ends is None:
        return None
    return max(term.begins, term.ends - dt.timedelta(days=1))

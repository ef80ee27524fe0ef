"""Students of a roster into the directory: grade and guardians, set-based."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from gateway.directory import publish
from gateway.roster_import.oneroster import Guardianship
from gateway.roster_import.people import digest
from gateway.roster_import.structure import count
from shared.transactions.unit_of_work import UnitOfWork

# Write new and changed students with their guardians; returns how many.
# New guardians only: a school's entries on custody, billing and emergencies are not in any roster.
UPSERT_STUDENTS = """
WITH incoming AS MATERIALIZED (
    SELECT coalesce(r.school_id, x.school_id) AS school_id, p.person_id AS student_id, r.grade,
           decode(r.digest, 'hex') AS digest, r.guardians, p.active AND EXISTS (
               SELECT FROM current_membership m
               WHERE m.person_id = p.person_id AND m.school_id = coalesce(r.school_id, x.school_id)
                 AND m.role = 'student') AS active
    FROM jsonb_to_recordset(%(rows)s) AS r(school_id uuid, sourced_id text, grade text, digest text, guardians jsonb)
    JOIN person p USING (sourced_id)
    LEFT JOIN student x ON r.school_id IS NULL AND x.student_id = p.person_id AND x.active
    WHERE coalesce(r.school_id, x.school_id) IS NOT NULL
), changed AS (
    INSERT INTO student AS s (school_id, student_id, grade, active, digest, told)
    SELECT i.school_id, i.student_id, i.grade, i.active, i.digest, false FROM incoming i WHERE NOT EXISTS (
        SELECT FROM student o
        WHERE (o.school_id, o.student_id, o.digest, o.active) = (i.school_id, i.student_id, i.digest, i.active))
    ORDER BY i.school_id, i.student_id
    ON CONFLICT (school_id, student_id) DO UPDATE SET grade = excluded.grade, active = excluded.active,
        told = false, digest = excluded.digest, version = s.version + 1
    WHERE s.digest IS DISTINCT FROM excluded.digest OR s.active <> excluded.active
    RETURNING s.school_id, s.student_id
), pair AS MATERIALIZED (
    SELECT c.school_id, c.student_id, p.person_id AS guardian_id, g.place, g.item ->> 1 AS relationship
    FROM changed c JOIN incoming i USING (school_id, student_id)
    CROSS JOIN jsonb_array_elements(i.guardians) WITH ORDINALITY AS g(item, place)
    JOIN person p ON p.sourced_id = g.item ->> 0
), dropped AS (
    DELETE FROM guardianship g USING changed c
    WHERE %(complete)s AND (g.school_id, g.student_id) = (c.school_id, c.student_id) AND NOT EXISTS (
        SELECT FROM pair p WHERE (p.school_id, p.student_id, p.guardian_id)
                               = (g.school_id, g.student_id, g.guardian_id))
), added AS (
    INSERT INTO guardianship (school_id, student_id, guardian_id, relationship, rank, custody, billing)
    SELECT school_id, student_id, guardian_id, relationship, place, relationship <> 'relative',
           relationship <> 'relative' FROM pair
    ON CONFLICT (school_id, student_id, guardian_id) DO UPDATE SET rank = excluded.rank,
        relationship = excluded.relationship
)
SELECT count(*) AS n FROM changed
"""
# Add guardians to students who are not in the upload; returns how many students got one.
# Changes may name children of a guardian who are known and not in the upload. Their digest is deleted: it is outdated.
INSERT_GUARDIANS = """
WITH added AS (
    INSERT INTO guardianship (school_id, student_id, guardian_id, relationship, rank, custody, billing)
    SELECT s.school_id, s.student_id, g.person_id, r.relationship,
           (SELECT count(*) FROM guardianship o WHERE (o.school_id, o.student_id) = (s.school_id, s.student_id))
               + row_number() OVER (PARTITION BY s.school_id, s.student_id ORDER BY g.person_id),
           r.relationship <> 'relative', r.relationship <> 'relative'
    FROM jsonb_to_recordset(%(rows)s) AS r(student text, guardian text, relationship text)
    JOIN person p ON p.sourced_id = r.student
    JOIN person g ON g.sourced_id = r.guardian
    JOIN student s ON s.student_id = p.person_id AND s.active
    ON CONFLICT (school_id, student_id, guardian_id) DO NOTHING
    RETURNING school_id, student_id
), changed AS (
    UPDATE student s SET told = false, digest = NULL, version = s.version + 1
    WHERE (s.school_id, s.student_id) IN (SELECT school_id, student_id FROM added)
    RETURNING 1
)
SELECT count(*) AS n FROM changed
"""


@dataclass(frozen=True, slots=True)
class StudentRow:
    """A student, with guardians as (sourcedId, relationship), the first to be asked first.

    `school` is None where changes do not say at which school: at all where they are a student already.
    """

    school: UUID | None
    sourced_id: str
    grade: str | None
    guardians: tuple[tuple[str, str], ...]


async def write(tx: UnitOfWork, chunk: Sequence[StudentRow], *, complete: bool) -> int:
    """Write students with grade and guardians, who are written before; returns how many changed.

    `complete`: the upload names every guardian; else those that it does not name stay.
    """
    rows = [
        {
            "school_id": each.school,
            "sourced_id": each.sourced_id,
            "grade": each.grade,
            "guardians": each.guardians,
            "digest": digest([each.grade, each.guardians]),
        }
        for each in chunk
    ]
    return await count(tx, UPSERT_STUDENTS, {"complete": complete} | publish.rows(rows))


async def write_guardians(tx: UnitOfWork, chunk: Sequence[Guardianship], relationship: Callable[[str], str]) -> int:
    """Write further guardians of students who are not in the upload; returns how many students got one."""
    rows = [
        {"student": each.student, "guardian": each.guardian, "relationship": relationship(each.guardian)}
        for each in chunk
    ]
    return await count(tx, INSERT_GUARDIANS, publish.rows(rows))

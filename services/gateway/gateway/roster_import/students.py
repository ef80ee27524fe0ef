"""Students of a roster into the directory: grade and guardians, set-based."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from gateway.directory import publish
from gateway.roster_import.oneroster import Guardianship
from gateway.roster_import.people import Place, digest
from gateway.roster_import.structure import count
from shared.transactions.unit_of_work import UnitOfWork

# Write new and changed students with their guardians; returns how many.
# A school's entries on custody, billing, emergencies and rank are not in any roster, and outlive the relation. A
# guardian whose row was refused (`kept`) is not dropped, nor one that the school added.
UPSERT_STUDENTS = """
WITH incoming AS MATERIALIZED (
    SELECT coalesce(r.school_id, x.school_id) AS school_id, p.person_id AS student_id,
           CASE WHEN r.graded THEN r.grade ELSE (
               SELECT o.grade FROM student o
               WHERE (o.school_id, o.student_id) = (coalesce(r.school_id, x.school_id), p.person_id)) END AS grade,
           decode(r.digest, 'hex') AS digest, r.guardians, r.related, p.active AND EXISTS (
               SELECT FROM current_membership m
               WHERE m.person_id = p.person_id AND m.school_id = coalesce(r.school_id, x.school_id)
                 AND m.role = 'student') AS active
    FROM jsonb_to_recordset(%(rows)s) AS r(school_id uuid, sourced_id text, grade text, graded boolean,
                                                       digest text, guardians jsonb, related boolean)
    JOIN person p ON (p.sourced_id, p.source) = (r.sourced_id, %(source)s)
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
    JOIN person p ON (p.sourced_id, p.source) = (g.item ->> 0, %(source)s)
), dropped AS (
    DELETE FROM guardianship g USING changed c, incoming i, person p
    WHERE %(complete)s AND (g.school_id, g.student_id) = (c.school_id, c.student_id)
      AND (i.school_id, i.student_id) = (c.school_id, c.student_id) AND i.related
      AND p.person_id = g.guardian_id AND p.source = ANY(%(sources)s)
      AND (p.sourced_id IS NULL OR p.sourced_id <> ALL(%(kept)s::text[]))
      AND NOT EXISTS (SELECT FROM pair p WHERE (p.school_id, p.student_id, p.guardian_id)
                                             = (g.school_id, g.student_id, g.guardian_id))
      AND NOT EXISTS (SELECT FROM guardian_choice o WHERE (o.school_id, o.student_id, o.guardian_id)
                                             = (g.school_id, g.student_id, g.guardian_id) AND o.added)
), added AS (
    INSERT INTO guardianship AS g (school_id, student_id, guardian_id, relationship, rank, custody, billing, emergency)
    SELECT school_id, student_id, guardian_id, p.relationship, coalesce(o.rank, p.place),
           coalesce(o.custody, p.relationship <> 'relative'), coalesce(o.billing, p.relationship <> 'relative'),
           coalesce(o.emergency, true)
    FROM pair p LEFT JOIN guardian_choice o USING (school_id, student_id, guardian_id)
    WHERE coalesce(o.guardian, true)
    ON CONFLICT (school_id, student_id, guardian_id) DO UPDATE SET relationship = excluded.relationship,
        rank = CASE WHEN cardinality(%(kept)s::text[]) > 0 AND EXISTS (
            SELECT FROM guardianship k JOIN person p ON p.person_id = k.guardian_id
            WHERE (k.school_id, k.student_id) = (g.school_id, g.student_id)
              AND p.sourced_id = ANY(%(kept)s::text[])) THEN g.rank ELSE excluded.rank END
)
SELECT count(*) AS n FROM changed
"""
# Add guardians to students who are not in the upload; returns how many students got one.
# Changes may name children of a guardian who are known and not in the upload. Their digest is deleted: it is outdated.
INSERT_GUARDIANS = """
WITH added AS (
    INSERT INTO guardianship (school_id, student_id, guardian_id, relationship, rank, custody, billing, emergency)
    SELECT s.school_id, s.student_id, g.person_id, r.relationship, coalesce(o.rank,
           (SELECT count(*) FROM guardianship n WHERE (n.school_id, n.student_id) = (s.school_id, s.student_id))
               + row_number() OVER (PARTITION BY s.school_id, s.student_id ORDER BY g.person_id)),
           coalesce(o.custody, r.relationship <> 'relative'), coalesce(o.billing, r.relationship <> 'relative'),
           coalesce(o.emergency, true)
    FROM jsonb_to_recordset(%(rows)s) AS r(student text, guardian text, relationship text)
    JOIN person p ON (p.sourced_id, p.source) = (r.student, %(source)s)
    JOIN person g ON (g.sourced_id, g.source) = (r.guardian, %(source)s)
    JOIN student s ON s.student_id = p.person_id AND s.active
    LEFT JOIN guardian_choice o
      ON (o.school_id, o.student_id, o.guardian_id) = (s.school_id, s.student_id, g.person_id)
    WHERE coalesce(o.guardian, true)
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
    graded: bool = True
    """Whether the row says something about the grade."""
    related: bool = True
    """Whether the row says something about guardians."""


async def write(
    tx: UnitOfWork, chunk: Sequence[StudentRow], place: Place, kept: Collection[str], *, complete: bool
) -> int:
    """Write students with grade and guardians, who are written before; returns how many changed.

    `complete`: the upload names every guardian; else those that it does not name stay.
    """
    rows = [
        {
            "school_id": each.school,
            "sourced_id": each.sourced_id,
            "grade": each.grade,
            "graded": each.graded,
            "guardians": each.guardians,
            "related": each.related,
            "digest": digest([each.grade, each.guardians, each.graded, each.related]),
        }
        for each in chunk
    ]
    scope = {"complete": complete, "source": place.source, "sources": place.sources, "kept": sorted(kept)}
    return await count(tx, UPSERT_STUDENTS, scope | publish.rows(rows))


async def write_guardians(
    tx: UnitOfWork, chunk: Sequence[Guardianship], relationship: Callable[[str], str], source: str
) -> int:
    """Write further guardians of students who are not in the upload; returns how many students got one."""
    rows = [
        {"student": each.student, "guardian": each.guardian, "relationship": relationship(each.guardian)}
        for each in chunk
    ]
    return await count(tx, INSERT_GUARDIANS, {"source": source} | publish.rows(rows))

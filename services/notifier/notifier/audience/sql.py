"""Whom a send means, as SQL: the only home of these conditions for planning, previews, escalation and explanations.

The statements take what `values` returns; FIND_GAP also the `person`.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

# Students whom the audience means: named ones always, those of a grade or class while they are active.
STUDENTS_MEANT = """students_meant AS (
    SELECT s.student_id FROM student s
    WHERE s.school_id = %(school_id)s
      AND (s.student_id = ANY(%(students)s::uuid[])
           OR (s.active AND (s.grade = %(grade)s OR s.classes && %(classes)s::uuid[])))
)"""

# Whether guardian g has the responsibility that the audience asks for.
HAS_RESPONSIBILITY = """CASE %(responsibility)s WHEN 'custody' THEN g.custody WHEN 'billing' THEN g.billing
    WHEN 'emergency' THEN g.emergency WHEN 'care' THEN g.custody OR g.emergency ELSE true END"""

# Whether the school has ended guardian g's membership: then they receive nothing about its students. A guardian without
# any membership (some rosters name them at the group only) is one all the same.
MEMBERSHIP_ENDED = """EXISTS (
    SELECT FROM membership o
    WHERE (o.person_id, o.school_id, o.role) = (g.guardian_id, g.school_id, 'guardian')
      AND o.ends IS NOT NULL AND o.ends <= (SELECT school_today(%(school_id)s)))"""

# Whether guardian g answers for student g.student_id.
IS_RESPONSIBLE = f"{HAS_RESPONSIBILITY} AND NOT {MEMBERSHIP_ENDED}"

# Guardians whom the audience means, in the order in which they are asked about a student.
GUARDIANS_MEANT = f"""guardians_meant AS (
    SELECT g.student_id, g.guardian_id,
           row_number() OVER (PARTITION BY g.student_id ORDER BY g.rank, g.guardian_id) AS nth
    FROM students_meant JOIN guardianship g ON g.school_id = %(school_id)s AND g.student_id = students_meant.student_id
    WHERE 'guardian' = ANY(%(roles)s) AND {IS_RESPONSIBLE}
)"""  # noqa: S608  # constants of our own

# Whether member m answers for a student who is here now, with the responsibility that the audience asks for.
HAS_STUDENT = f"""EXISTS (
    SELECT FROM guardianship g JOIN student s ON (s.school_id, s.student_id) = (g.school_id, g.student_id)
    WHERE (g.school_id, g.guardian_id) = (m.school_id, m.person_id) AND s.active AND {HAS_RESPONSIBILITY})"""
# Whether member m has students here at all: some rosters name none for a guardian.
HAD_STUDENT = """EXISTS (
    SELECT FROM guardianship g WHERE (g.school_id, g.guardian_id) = (m.school_id, m.person_id))"""

# Whether membership m has begun, and whether it goes on, by the school's own date.
HAS_BEGUN = "(m.starts IS NULL OR m.starts <= (SELECT school_today(%(school_id)s)))"
GOES_ON = "(m.ends IS NULL OR m.ends > (SELECT school_today(%(school_id)s)))"

# Whether membership m is in an audience of the whole school: a guardian whose children have left is not.
IS_MEANT_AT_SCHOOL = f"""CASE WHEN m.role <> 'guardian' THEN true
    WHEN %(responsibility)s = 'any' THEN {HAS_STUDENT} OR NOT {HAD_STUDENT} ELSE {HAS_STUDENT} END"""
# Whether membership m is in an audience that names its person: the responsibility holds for guardians, not for staff.
IS_MEANT_BY_NAME = f"(%(responsibility)s = 'any' OR (m.role <> 'guardian' AND {GOES_ON}) OR {HAS_STUDENT})"

# People who received an older version of the record (`told`), and those who must not receive this one for that reason.
RECEIVED_BEFORE = "SELECT t.person_id FROM told(%(school_id)s, %(told)s, %(origin_version)s) t"
EXCLUDED = "SELECT t.person_id FROM told(%(school_id)s, %(except_told)s, %(origin_version)s) t"
# Whether a person is in this part of a send of two parts: the few who receive it first, or all others.
IS_IN_PART = """person_id <> ALL(%(except_people)s::uuid[])
    AND (%(only_people)s::uuid[] IS NULL OR person_id = ANY(%(only_people)s::uuid[]))"""

# The people whom the audience means today, by its kind: named ones, those of the whole school, or those of students.
NAMED_PEOPLE = f"""SELECT m.person_id FROM membership m
     WHERE m.school_id = %(school_id)s AND m.person_id = ANY(%(people)s::uuid[]) AND {IS_MEANT_BY_NAME}"""  # noqa: S608
PEOPLE_AT_SCHOOL = f"""SELECT m.person_id FROM membership m
     WHERE %(whole_school)s AND m.school_id = %(school_id)s AND m.role = ANY(%(roles)s) AND {HAS_BEGUN} AND {GOES_ON}
       AND {IS_MEANT_AT_SCHOOL}"""  # noqa: S608  # constants of our own
PEOPLE_OF_STUDENTS = """SELECT g.guardian_id AS person_id FROM guardians_meant g
     WHERE g.nth = 1 OR NOT %(first_guardian)s
     UNION
     SELECT student_id FROM students_meant WHERE 'student' = ANY(%(roles)s)"""

# The whole audience: ends with the table `audience` (person_id).
WITH_AUDIENCE = f"""
WITH {STUDENTS_MEANT}, {GUARDIANS_MEANT}, audience AS (
    SELECT person_id FROM (({NAMED_PEOPLE}
     UNION
     {PEOPLE_AT_SCHOOL}
     UNION
     {PEOPLE_OF_STUDENTS}
     UNION
     {RECEIVED_BEFORE})
    EXCEPT
    {EXCLUDED}) meant WHERE {IS_IN_PART}
)
"""  # noqa: S608  # constants of our own

# The first people of an audience that does not depend on who received an older version of a record, by its kind. The
# statement is planned for each send, which takes longer than to find a few people: it has no more than its kind needs.
FIRST = "SELECT DISTINCT person_id FROM"
LIMITED = f"AS meant WHERE {IS_IN_PART} LIMIT %(most)s"
FIND_FIRST_NAMED = f"{FIRST} ({NAMED_PEOPLE}) {LIMITED}"
FIND_FIRST_AT_SCHOOL = f"{FIRST} ({PEOPLE_AT_SCHOOL}) {LIMITED}"
FIND_FIRST_OF_STUDENTS = f"WITH {STUDENTS_MEANT}, {GUARDIANS_MEANT} {FIRST} ({PEOPLE_OF_STUDENTS}) {LIMITED}"

# The first condition that a person does not meet, as a code; NULL for one who is in the audience today.
FIND_GAP = f"""
WITH {STUDENTS_MEANT}, {GUARDIANS_MEANT}, own_role AS (
    SELECT m.role, {HAS_BEGUN} AS begun, {GOES_ON} AS going_on, {IS_MEANT_AT_SCHOOL} AS meant,
           {IS_MEANT_BY_NAME} AS named FROM membership m
    WHERE m.school_id = %(school_id)s AND m.person_id = %(person)s
), own_student AS (
    SELECT g.student_id, {HAS_RESPONSIBILITY} AS responsible, {MEMBERSHIP_ENDED} AS ended FROM guardianship g
    WHERE g.school_id = %(school_id)s AND g.guardian_id = %(person)s
), own_student_meant AS (
    SELECT * FROM own_student JOIN students_meant USING (student_id)
)
SELECT CASE
    WHEN %(person)s = ANY(%(except_people)s::uuid[]) THEN 'receives_first'
    WHEN %(person)s <> ALL(%(only_people)s::uuid[]) THEN 'receives_later'
    WHEN %(person)s IN ({EXCLUDED}) THEN 'receives_correction'
    WHEN %(told)s::text IS NOT NULL THEN
        CASE WHEN %(person)s NOT IN ({RECEIVED_BEFORE}) THEN 'not_corrected' END
    WHEN NOT EXISTS (SELECT FROM own_role) AND NOT EXISTS (SELECT FROM own_student) THEN 'unknown_person'
    WHEN %(named)s THEN
        CASE WHEN %(person)s <> ALL(%(people)s::uuid[]) THEN 'not_named'
            WHEN NOT EXISTS (SELECT FROM own_role WHERE named) THEN 'no_responsibility' END
    WHEN %(whole_school)s THEN CASE
        WHEN NOT EXISTS (SELECT FROM own_role WHERE role = ANY(%(roles)s)) THEN 'other_role'
        WHEN NOT EXISTS (SELECT FROM own_role WHERE role = ANY(%(roles)s) AND going_on) THEN 'left'
        WHEN NOT EXISTS (SELECT FROM own_role WHERE role = ANY(%(roles)s) AND going_on AND begun) THEN 'not_yet'
        WHEN EXISTS (SELECT FROM own_role WHERE role = ANY(%(roles)s) AND going_on AND begun AND meant) THEN NULL
        WHEN NOT EXISTS (SELECT FROM own_student o JOIN student s ON s.student_id = o.student_id
                         WHERE s.school_id = %(school_id)s AND s.active) THEN 'left'
        ELSE 'no_responsibility'
    END
    WHEN %(person)s IN (SELECT student_id FROM students_meant) THEN
        CASE WHEN 'student' <> ALL(%(roles)s) THEN 'guardians_only' END
    WHEN NOT EXISTS (SELECT FROM own_student_meant) THEN 'no_student'
    WHEN 'guardian' <> ALL(%(roles)s) THEN 'students_only'
    WHEN EXISTS (SELECT FROM own_student_meant WHERE ended) THEN 'left'
    WHEN NOT EXISTS (SELECT FROM own_student_meant WHERE responsible) THEN 'no_responsibility'
    WHEN %(first_guardian)s
        AND NOT EXISTS (SELECT FROM guardians_meant WHERE guardian_id = %(person)s AND nth = 1) THEN 'asked_later'
END AS gap, (SELECT coalesce(array_agg(DISTINCT role ORDER BY role), '{{}}') FROM own_role) AS roles
"""  # noqa: S608  # constants of our own


def values(
    school: UUID, audience: Mapping[str, Any], *, first_guardian: bool = False, origin_version: int = 0
) -> dict[str, Any]:
    """Return the statements' values for an event's audience.

    `first_guardian`: of each student only the first guardian by rank is meant; the others are asked later.
    `origin_version`: only older versions of the record count as received before.
    """
    only = audience.get("only_people")
    return {
        "school_id": school,
        "people": [UUID(person) for person in audience.get("people") or ()],
        "named": audience.get("people") is not None,
        "whole_school": bool(audience.get("school")),
        "grade": audience.get("grade"),
        "roles": list(audience.get("roles") or ()),
        "classes": [UUID(each) for each in audience.get("classes") or ()],
        "students": [UUID(each) for each in audience.get("students") or ()],
        "responsibility": audience.get("responsibility") or "any",
        "first_guardian": first_guardian,
        "told": audience.get("told"),
        "except_told": audience.get("except_told"),
        "except_people": [UUID(person) for person in audience.get("except_people") or ()],
        "only_people": None if only is None else [UUID(person) for person in only],
        "origin_version": origin_version,
    }


def find_first(given: Mapping[str, Any]) -> str:
    """Return the statement that finds the first `most` people of an audience, whose `values` are given."""
    if given["named"]:
        return FIND_FIRST_NAMED
    return FIND_FIRST_AT_SCHOOL if given["whole_school"] else FIND_FIRST_OF_STUDENTS


def values_of(notification: Mapping[str, Any]) -> dict[str, Any]:
    """Return the statements' values for a notification's row."""
    steps = (notification["escalation"] or {}).get("steps") or ()
    return values(
        notification["school_id"],
        notification["audience"],
        first_guardian="next_guardian" in steps,
        origin_version=notification["origin_version"],
    )

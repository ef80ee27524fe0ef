"""Erasure of people: names and texts about them leave the facts; counts stay.

The erasures of each school are counted, so that it is known which stored files were drawn before one
(`making/redraw.py`).

Their events have no personal fields any more, so that a rebuild makes the same rows. A sweep repeats it, because an
event of another stream may have been read just before the erasure and committed after it. Each time that something is
emptied is counted as well: a report may have been drawn in between.
"""

from shared.transactions.unit_of_work import UnitOfWork

MAX_PEOPLE = 200

# Find erased people of whom something is left.
SELECT_ERASED = """
SELECT DISTINCT p.person_id FROM person_fact p
WHERE p.erased AND (
    EXISTS (SELECT FROM person_fact o WHERE o.person_id = p.person_id
              AND (o.given_name IS NOT NULL OR o.family_name IS NOT NULL))
    OR EXISTS (SELECT FROM behavior_fact f WHERE f.student_id = p.person_id AND f.description <> '')
    OR EXISTS (SELECT FROM payment_fact f WHERE f.student_id = p.person_id
                 AND (f.purpose <> '' OR f.reference IS NOT NULL))
    OR EXISTS (SELECT FROM absence_fact f WHERE f.student_id = p.person_id AND f.reason IS NOT NULL)
    OR EXISTS (SELECT FROM grade_fact f WHERE f.student_id = p.person_id AND f.grade <> '')
    OR EXISTS (SELECT FROM remark_fact f WHERE f.student_id = p.person_id AND f.text <> ''))
LIMIT %(limit)s
"""
# Set what is personal to the value that its event has after an erasure, and count it for the schools of the facts.
ERASE_FACTS = """
WITH names AS (
    UPDATE person_fact SET given_name = NULL, family_name = NULL WHERE person_id = ANY(%(people)s)
), behavior AS (
    UPDATE behavior_fact SET description = '' WHERE student_id = ANY(%(people)s) RETURNING school_id
), payments AS (
    UPDATE payment_fact SET purpose = '', reference = NULL WHERE student_id = ANY(%(people)s) RETURNING school_id
), absences AS (
    UPDATE absence_fact SET reason = NULL WHERE student_id = ANY(%(people)s) RETURNING school_id
), grades AS (
    UPDATE grade_fact SET grade = '' WHERE student_id = ANY(%(people)s) RETURNING school_id
), remarks AS (
    UPDATE remark_fact SET text = '' WHERE student_id = ANY(%(people)s) RETURNING school_id
)
INSERT INTO school_erasure AS e (school_id, erased, emptied)
SELECT school_id, 0, 1 FROM (
    SELECT school_id FROM student_fact WHERE student_id = ANY(%(people)s) UNION SELECT school_id FROM behavior
    UNION SELECT school_id FROM payments UNION SELECT school_id FROM absences UNION SELECT school_id FROM grades
    UNION SELECT school_id FROM remarks) schools
ORDER BY school_id
ON CONFLICT (school_id) DO UPDATE SET emptied = e.emptied + 1
"""
# Count the erased students of each school, those included who left it.
COUNT_ERASED = """
SELECT s.school_id, count(DISTINCT s.student_id) AS erased
FROM person_fact p JOIN student_fact s ON s.student_id = p.person_id WHERE p.erased GROUP BY s.school_id
"""
# Note how many students of schools have nothing left in the facts: a rebuild empties facts without this sweep.
NOTE_ERASED = """
INSERT INTO school_erasure AS e (school_id, erased) SELECT * FROM unnest(%(schools)s::uuid[], %(erased)s::bigint[])
ON CONFLICT (school_id) DO UPDATE SET erased = excluded.erased WHERE excluded.erased > e.erased
"""


async def erase_people(tx: UnitOfWork) -> None:
    """Empty what is left of erased people.

    They are counted first, so that each of those who are counted is empty in the same commit.
    """
    counts = sorted((row["school_id"], row["erased"]) for row in await tx.rows(COUNT_ERASED))
    while people := [row["person_id"] for row in await tx.rows(SELECT_ERASED, {"limit": MAX_PEOPLE})]:
        await tx.execute(ERASE_FACTS, {"people": people})
    if counts:
        await tx.execute(NOTE_ERASED, {"schools": [each for each, _ in counts], "erased": [n for _, n in counts]})

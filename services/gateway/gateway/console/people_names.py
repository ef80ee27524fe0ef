"""Names of people for pages, which the other services know by id only; and the search for a student by name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.transactions.unit_of_work import UnitOfWorkFactory

MOST_FOUND = 12

# Select the names of people of a school.
SELECT_NAMES = """
SELECT p.person_id, concat_ws(' ', p.given_name, p.family_name) AS name FROM person p
WHERE p.person_id = ANY(%(people)s)
  AND EXISTS (SELECT FROM membership m WHERE m.person_id = p.person_id AND m.school_id = %(school)s)
"""
# Find students of a school by a part of their name, or by the number that the school gives them.
FIND_STUDENTS = """
SELECT s.student_id AS id, concat_ws(' ', p.given_name, p.family_name) AS name, s.grade, p.sourced_id AS number
FROM student s JOIN person p ON p.person_id = s.student_id
WHERE s.school_id = %(school)s AND s.active AND p.erased_at IS NULL
  AND (p.sourced_id = %(text)s
       OR strpos(lower(concat_ws(' ', p.given_name, p.family_name)), lower(%(text)s)) > 0
       OR strpos(lower(concat_ws(' ', p.family_name, p.given_name)), lower(%(text)s)) > 0)
ORDER BY p.sourced_id IS DISTINCT FROM %(text)s, p.family_name, p.given_name, s.student_id
LIMIT %(limit)s
"""
# Select one student of a school.
SELECT_STUDENT = """
SELECT s.student_id AS id, concat_ws(' ', p.given_name, p.family_name) AS name, s.grade, p.sourced_id AS number
FROM student s JOIN person p ON p.person_id = s.student_id
WHERE s.school_id = %(school)s AND s.student_id = %(student)s
"""


@dataclass(frozen=True, slots=True)
class StudentChoice:
    """A field of a form that names a student: the one chosen, and those whose name fits what was typed."""

    typed: str = ""
    chosen: Mapping[str, Any] | None = None
    found: tuple[Mapping[str, Any], ...] = ()

    @property
    def student(self) -> UUID | None:
        """The id of the student, if one is chosen."""
        return self.chosen["id"] if self.chosen else None

    @property
    def is_open(self) -> bool:
        """Whether something was typed that names not exactly one student."""
        return bool(self.typed) and self.chosen is None

    @property
    def has_more(self) -> bool:
        """Whether more students fit than are listed."""
        return len(self.found) >= MOST_FOUND


async def names_of(rows: UnitOfWorkFactory, school: UUID, people: Iterable[Any]) -> dict[str, str]:
    """Return names by id, as text; people of other schools have none."""
    wanted = sorted({str(each) for each in people if each is not None})
    if not wanted:
        return {}
    async with rows.request(school) as tx:
        found = await tx.rows(SELECT_NAMES, {"school": school, "people": [UUID(each) for each in wanted]})
    return {str(row["person_id"]): row["name"] for row in found}


async def choose_student(rows: UnitOfWorkFactory, school: UUID, student: UUID | None, typed: str = "") -> StudentChoice:
    """Return the student of a form: what is typed comes before what was chosen; one that fits alone is chosen."""
    text = typed.strip()
    if not text and student is None:
        return StudentChoice()
    async with rows.request(school) as tx:
        if not text:
            return StudentChoice(chosen=await tx.row(SELECT_STUDENT, {"school": school, "student": student}))
        found = await tx.rows(FIND_STUDENTS, {"school": school, "text": text, "limit": MOST_FOUND})
    fitting = [row for row in found if row["number"] == text] or found
    return StudentChoice(chosen=fitting[0]) if len(fitting) == 1 else StudentChoice(text, None, tuple(found))

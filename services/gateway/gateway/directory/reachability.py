"""Families that an emergency message would not reach: students without a guardian who has a working channel.

A channel works if it is a device of the app, or a mail address that has not bounced. The notifier knows the bounces.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from gateway.http.service_client import ServiceClients
from gateway.security.caller import Caller
from shared.transactions.unit_of_work import UnitOfWork

PAGE = 200
MOST_PAGES = 25
"""Bounced addresses that are compared, in pages: a school with more has another problem."""

# Find students none of whose guardians has a device, or a mail address that has not bounced; with the guardians.
LIST_UNREACHABLE = """
SELECT s.student_id AS id, concat_ws(' ', p.given_name, p.family_name) AS name, s.grade,
       (SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'id', g.guardian_id, 'name', concat_ws(' ', q.given_name, q.family_name),
                   'why', CASE WHEN NOT q.active THEN 'inactive'
                               WHEN EXISTS (SELECT FROM contact c WHERE c.person_id = q.person_id AND c.kind = 'mail')
                                   THEN 'bounced'
                               ELSE 'no_address' END) ORDER BY g.rank, g.guardian_id), '[]')
          FROM guardianship g JOIN person q ON q.person_id = g.guardian_id
         WHERE g.school_id = s.school_id AND g.student_id = s.student_id) AS guardians,
       count(*) OVER () AS total
FROM student s JOIN person p ON p.person_id = s.student_id
WHERE s.school_id = %(school)s AND s.active AND p.active AND p.erased_at IS NULL
  AND NOT EXISTS (
      SELECT FROM guardianship g JOIN person q ON q.person_id = g.guardian_id AND q.active
      WHERE g.school_id = s.school_id AND g.student_id = s.student_id
        AND (EXISTS (SELECT FROM device d WHERE d.person_id = q.person_id)
             OR EXISTS (SELECT FROM contact c WHERE c.person_id = q.person_id AND c.kind = 'mail'
                        AND lower(c.address) <> ALL(%(bounced)s::text[]))))
ORDER BY p.family_name, p.given_name, s.student_id
LIMIT %(limit)s OFFSET %(offset)s
"""
# Count the students of a school.
COUNT_STUDENTS = "SELECT count(*) AS students FROM student WHERE school_id = %(school)s AND active"


async def bounced_addresses(owners: ServiceClients, caller: Caller, school: UUID) -> list[str]:
    """Return the mail addresses of a school that have bounced, in lower case."""
    found: list[str] = []
    params: dict[str, Any] = {"reason": "bounced", "limit": PAGE}
    for _ in range(MOST_PAGES):
        page = (await owners.get("notifier", "/v1/suppressions", caller, school, params)).json()
        found += [each["target"].lower() for each in page["items"]]
        if page["next"] is None:
            break
        params["after"] = page["next"]
    return found


async def unreachable_students(
    tx: UnitOfWork, school: UUID, bounced: Sequence[str], limit: int, offset: int
) -> tuple[list[Mapping[str, Any]], int]:
    """Return students whose families no channel reaches, and how many students the school has."""
    values = {"school": school, "bounced": list(bounced), "limit": limit, "offset": offset}
    found = await tx.rows(LIST_UNREACHABLE, values)
    counted = await tx.row(COUNT_STUDENTS, values)
    assert counted is not None
    return list(found), counted["students"]

"""Who may replace the addresses of a person."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from gateway.problems import Problem
from gateway.security.caller import Caller
from shared.transactions.unit_of_work import UnitOfWork

# Select what protects the addresses of a person: administration here or elsewhere, and an address that signs in at
# other schools and would be deleted.
SELECT_PROTECTION = """
SELECT EXISTS (SELECT FROM administrator a WHERE a.person_id = %(person)s)
    OR EXISTS (SELECT FROM current_membership m WHERE m.person_id = %(person)s AND m.role = 'school_admin'
        AND m.school_id <> %(school)s) AS elsewhere,
    EXISTS (SELECT FROM current_membership m WHERE m.person_id = %(person)s AND m.role = 'school_admin'
        AND m.school_id = %(school)s) AS administers,
    EXISTS (SELECT FROM current_membership m WHERE m.person_id = %(person)s AND m.school_id <> %(school)s)
    AND EXISTS (SELECT FROM contact c WHERE c.person_id = %(person)s AND c.kind = 'mail'
        AND NOT lower(c.address) = ANY(%(kept)s) AND lower(c.address) IN (
            SELECT sign_in_address FROM account a WHERE a.person_id = %(person)s AND sign_in_address IS NOT NULL
            UNION ALL SELECT name FROM account_name n WHERE n.person_id = %(person)s)) AS signs_in
"""


async def check_may_replace(
    tx: UnitOfWork, caller: Caller, person: UUID, school: UUID, contacts: Sequence[dict[str, Any]]
) -> None:
    """Raise 403 where the word of one school, or of staff, must not be enough. The group may replace everything."""
    if caller.everywhere:
        return
    kept = [contact["address"].lower() for contact in contacts if contact["kind"] == "mail"]
    row = await tx.row(SELECT_PROTECTION, {"person": person, "school": school, "kept": kept})
    assert row is not None
    if row["elsewhere"] or (row["administers"] and (caller.role != "school_admin" or caller.key is not None)):
        raise Problem(403, "forbidden", "These are the addresses of an administrator. Ask an administrator to do it.")
    if row["signs_in"]:
        raise Problem(
            403, "forbidden", "This person signs in elsewhere with an address that would go. Ask the group to do it."
        )

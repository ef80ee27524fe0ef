"""Sends a mail to an address that was removed: its person notices a change that another made."""

import datetime as dt
from collections.abc import Collection
from uuid import UUID

from uuid_utils.compat import uuid7

from gateway.http.opened_sends import open_send
from shared.events import Audience, NotificationRequested
from shared.events.notifications import ADDRESS_REMOVED, FORMER_ADDRESSES
from shared.transactions.unit_of_work import UnitOfWork

# Find the school in whose name the mail is sent: the given one, or one that the person belongs to.
FIND_SCHOOL = """
SELECT s.school_id FROM school s
WHERE s.active AND CASE WHEN %(school)s::uuid IS NOT NULL THEN s.school_id = %(school)s ELSE EXISTS (
    SELECT FROM current_membership m WHERE m.person_id = %(person)s AND m.school_id = s.school_id) END
ORDER BY s.school_id LIMIT 1
"""
# Select the address that signs in.
SELECT_SIGN_IN = "SELECT sign_in_address FROM account WHERE person_id = %(person)s AND sign_in_address IS NOT NULL"


async def tell_removed(
    tx: UnitOfWork, person: UUID, school: UUID | None, addresses: Collection[str], requested_by: UUID | None
) -> None:
    """Send a mail to addresses that a person no longer has. An administrator of the group has no school: no mail."""
    found = await tx.row(FIND_SCHOOL, {"person": person, "school": school}) if addresses else None
    if found is None:
        return
    notification = uuid7()
    open_send(
        tx,
        NotificationRequested(
            notification_id=notification,
            task_id=uuid7(),
            school_id=found["school_id"],
            kind="general",
            audience=Audience(people=(person,)),
            channels=("mail",),
            urgent=True,
            directory_version=0,
            requested_by=requested_by,
            requested_at=dt.datetime.now(dt.UTC),
            origin=f"{FORMER_ADDRESSES}{notification}",
            template=ADDRESS_REMOVED,
            variables={"addresses": "\n".join(sorted(addresses))},
        ),
    )


async def sign_in_address(tx: UnitOfWork, person: UUID) -> set[str]:
    """Return the address that signs in as a person, before it is changed."""
    return {row["sign_in_address"] for row in await tx.rows(SELECT_SIGN_IN, {"person": person})}

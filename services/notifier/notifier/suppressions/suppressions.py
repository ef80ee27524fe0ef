"""Addresses and people that a school does not write to: they bounced, complained or unsubscribed."""

import hmac
from typing import Any
from uuid import UUID

from notifier.content.unsubscribe_links import ALL_KINDS, UnsubscribeLinks
from notifier.settings import Settings
from shared.persistence.encryption import read_master_key
from shared.transactions.unit_of_work import UnitOfWork

PATH = "/unsubscribe"

# Suppress an address or a person, for one kind or ('') for all; a repeat changes nothing.
UPSERT_SUPPRESSION = """
INSERT INTO suppression AS s (school_id, channel, target, kind, reason, detail, active)
VALUES (%(school)s, 'mail', %(target)s, %(kind)s, %(reason)s, %(detail)s, true)
ON CONFLICT (school_id, channel, target, kind, reason) DO UPDATE SET active = true, lifted_by = NULL,
    detail = excluded.detail, times = s.times + (NOT s.active)::int, changed_at = clock_timestamp()
RETURNING *
"""

# Lift a suppression; bounces are counted from 0 again.
LIFT_SUPPRESSION = """
UPDATE suppression SET active = false, times = 0, lifted_by = %(person)s, changed_at = clock_timestamp()
WHERE suppression_id = %(id)s AND school_id = (SELECT bound_school())
RETURNING suppression_id
"""


def unsubscribe_links(settings: Settings) -> UnsubscribeLinks:
    """Return the links for unsubscribing, signed with a key of their own that is derived from the installation's."""
    key = hmac.new(read_master_key(settings.vault_key_file), b"unsubscribe", "sha256").digest()
    return UnsubscribeLinks(f"{settings.public_url.rstrip('/')}{PATH}", key)


async def unsubscribe(tx: UnitOfWork, links: UnsubscribeLinks, school: UUID, token: str) -> bool:
    """Apply a person's one-click link; False for a link that is not ours, or of another school."""
    found = links.read(token)
    if found is None or found[0] != school:
        return False
    _, person, kind = found
    await suppress(tx, school, str(person), "unsubscribed", "" if kind == ALL_KINDS else kind)
    return True


async def suppress(
    tx: UnitOfWork, school: UUID, target: str, reason: str, kind: str = "", detail: str | None = None
) -> dict[str, Any]:
    """Suppress an address or a person; return its row. A repeat changes nothing."""
    values = {"school": school, "target": target, "kind": kind, "reason": reason, "detail": detail}
    rows = await tx.rows(UPSERT_SUPPRESSION, values)
    return rows[0]

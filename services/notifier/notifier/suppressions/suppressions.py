"""Whom a school no longer writes to: what bounced, who complained, who unsubscribed; listed, added, lifted."""

import hmac
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from notifier.content.message_builder import OneClick
from notifier.sending.digests import MANY_KINDS
from notifier.settings import Settings
from shared.persistence.encryption import read_master_key
from shared.transactions.unit_of_work import UnitOfWork

PATH = "/unsubscribe"

PUT = """
INSERT INTO suppression AS s (school_id, channel, target, kind, reason, detail, active)
VALUES (%(school)s, 'mail', %(target)s, %(kind)s, %(reason)s, %(detail)s, true)
ON CONFLICT (school_id, channel, target, kind, reason) DO UPDATE SET active = true, lifted_by = NULL,
    detail = excluded.detail, times = s.times + (NOT s.active)::int, changed_at = clock_timestamp()
RETURNING *
"""
PAGE = """
SELECT suppression_id, channel, target, kind, reason, detail, times, active, created_at, changed_at FROM suppression
WHERE school_id = (SELECT bound_school()) AND (active OR %(lifted)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s) AND (%(after)s::bigint IS NULL OR suppression_id < %(after)s)
ORDER BY suppression_id DESC LIMIT %(limit)s
"""
# What bounces begins to be counted anew.
LIFT = """
UPDATE suppression SET active = false, times = 0, lifted_by = %(person)s, changed_at = clock_timestamp()
WHERE suppression_id = %(id)s AND school_id = (SELECT bound_school())
RETURNING suppression_id
"""


def one_click(settings: Settings) -> OneClick:
    """Signs the links for unsubscribing with a key of their own, derived from the installation's."""
    key = hmac.new(read_master_key(settings.vault_key_file), b"unsubscribe", "sha256").digest()
    return OneClick(f"{settings.public_url.rstrip('/')}{PATH}", key)


async def unsubscribe(tx: UnitOfWork, links: OneClick, school: UUID, token: str) -> bool:
    """What somebody's one-click link asks for; False for a link that is not ours, or another school's."""
    if not links.holds(token):
        return False
    of_school, person, kind, _ = token.split(".")
    if UUID(of_school) != school:
        return False
    kind = unquote(kind)
    await suppress(tx, school, str(UUID(person)), "unsubscribed", "" if kind == MANY_KINDS else kind)
    return True


async def suppress(
    tx: UnitOfWork, school: UUID, target: str, reason: str, kind: str = "", detail: str | None = None
) -> dict[str, Any]:
    """Write to an address or a person no more; a repeat changes nothing. Its row."""
    values = {"school": school, "target": target, "kind": kind, "reason": reason, "detail": detail}
    rows = await tx.rows(PUT, values)
    return rows[0]

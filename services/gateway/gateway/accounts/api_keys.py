"""API keys: 256 random bits, kept as their hash; a role, scopes and a school; an end."""

import datetime as dt
import hashlib
import math
import secrets
import time
from typing import Any
from uuid import UUID

from gateway.problems import Problem
from gateway.security.caller import API_KEY_PREFIX, Caller
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

REMEMBERED_SECONDS = 1.0
"""How long a gateway may go on taking a key that ended on another one."""
MOST_REMEMBERED = 10_000

# Add a key.
INSERT_KEY = """
INSERT INTO api_key (key_id, school_id, name, role, scopes, hash, hint, created_by, expires_at)
VALUES (%(id)s, %(school)s, %(name)s, %(role)s, %(scopes)s, %(hash)s, %(hint)s, %(by)s, %(expires_at)s)
"""
# Change name and expiry of a key.
UPDATE_KEY = """
UPDATE api_key SET name = %(name)s, expires_at = %(expires_at)s, version = version + 1 WHERE key_id = %(id)s
"""
# Revoke a key; returns its id if it was not revoked.
REVOKE_KEY = """
UPDATE api_key SET revoked_at = clock_timestamp(), version = version + 1
WHERE key_id = %(id)s AND revoked_at IS NULL RETURNING key_id
"""
KEY_STANDS = """
k.revoked_at IS NULL AND coalesce(k.expires_at > clock_timestamp(), true)
AND (k.school_id IS NULL OR EXISTS (SELECT FROM school s WHERE s.school_id = k.school_id AND s.active))
AND (k.created_by IS NULL OR NOT EXISTS (SELECT FROM person p WHERE p.person_id = k.created_by)
    OR EXISTS (SELECT FROM administrator a JOIN person p USING (person_id)
        WHERE a.person_id = k.created_by AND p.active AND p.signs_in)
    OR EXISTS (SELECT FROM current_membership m JOIN person p USING (person_id) WHERE m.person_id = k.created_by
        AND m.school_id = k.school_id AND m.role = 'school_admin' AND m.begun AND p.active
            AND p.signs_in))
"""
"""The condition of a usable key: not over, and its maker could still make it. An operator's key has no maker."""

# Find a valid key, and note its use, at most once a minute.
FIND_KEY = f"""
WITH found AS (
    SELECT key_id, school_id, role, scopes, last_used_at, extract(epoch FROM expires_at)::float8 AS until FROM api_key k
    WHERE hash = %(hash)s AND {KEY_STANDS}
), noted AS (
    UPDATE api_key k SET last_used_at = clock_timestamp() FROM found f
    WHERE k.key_id = f.key_id AND coalesce(f.last_used_at < clock_timestamp() - interval '1 minute', true)
)
SELECT * FROM found
"""  # noqa: S608  # a constant of ours


def digest(secret: str) -> bytes:
    """Hash a secret for storage. It has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(secret.encode()).digest()


async def add(tx: UnitOfWork, values: dict[str, Any]) -> str:
    """Add a key; its secret, which is shown once."""
    secret = API_KEY_PREFIX + secrets.token_urlsafe(32)
    await tx.execute(INSERT_KEY, values | {"hash": digest(secret), "hint": secret[-4:]})
    return secret


class Keys:
    """Finds the caller of a key, and caches them for some seconds."""

    def __init__(self, rows: UnitOfWorkFactory) -> None:
        self._rows = rows
        self._known: dict[bytes, tuple[float, dict[str, Any]]] = {}

    def remembered(self, secret: str) -> Caller | None:
        """Return the caller of a key that was found a moment ago."""
        until, row = self._known.get(digest(secret), (0.0, None))
        return _caller(row) if row is not None and until >= time.monotonic() else None

    async def caller(self, secret: str) -> Caller:
        """Return the caller of a key; 401 when it is unknown, revoked or over, or its maker could not make it today."""
        hashed = digest(secret)
        until, row = self._known.get(hashed, (0.0, None))
        if row is None or until < time.monotonic():
            row = next(iter(await self._rows.run_alone(FIND_KEY, {"hash": hashed})), None)
            if row is None:
                self._known.pop(hashed, None)
                raise Problem(401, "unauthenticated", "The API key is unknown or over, or its maker has left.")
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[hashed] = (time.monotonic() + REMEMBERED_SECONDS, row)
        return _caller(row)

    def forget(self, key: UUID) -> None:
        """Drop a key from the cache, so that the next request reads it from the database."""
        self._known = {hashed: known for hashed, known in self._known.items() if known[1]["key_id"] != key}

    def forget_all(self) -> None:
        """Drop all keys from the cache."""
        self._known.clear()


def _caller(row: dict[str, Any]) -> Caller:
    until = math.inf if row["until"] is None else row["until"]
    return Caller(None, row["role"], row["school_id"], row["key_id"], frozenset(row["scopes"]), until=until)


def over(expires_at: dt.datetime | None) -> bool:
    """Whether an end lies in the past."""
    return expires_at is not None and expires_at <= dt.datetime.now(dt.UTC)

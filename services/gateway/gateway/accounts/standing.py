"""Whether a caller's access still stands: on a session, a membership, an administration, or the maker of a key.

A token is signed for minutes and a key for a year, but what they stand on can end at any moment. Each request asks, and
an answer is used again for a second, unless something was changed here in the meantime.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from gateway.accounts.api_keys import KEY_STANDS, Keys
from gateway.problems import Problem
from gateway.security.caller import Caller
from shared.transactions.unit_of_work import UnitOfWorkFactory

REMEMBERED_SECONDS = 1.0
"""How long access that ended on another gateway may go on here."""
MOST_REMEMBERED = 50_000

# Select the callers whose session is open and who have their role today. A person who is not in the directory has
# a token that an operator signed: no session made it. By the school's own date, as a sign-in.
SELECT_STANDING = """
SELECT c.nth FROM jsonb_to_recordset(%(callers)s)
    AS c(nth integer, person uuid, role text, school uuid, session uuid)
WHERE (c.session IS NULL OR EXISTS (SELECT FROM refresh_token r WHERE r.family = c.session
        AND r.used_at IS NULL AND r.revoked_at IS NULL AND r.expires_at > clock_timestamp()))
  AND CASE WHEN NOT EXISTS (SELECT FROM person p WHERE p.person_id = c.person) THEN c.session IS NULL
    WHEN c.role = 'platform_admin' THEN EXISTS (
        SELECT FROM administrator a JOIN person p USING (person_id) WHERE a.person_id = c.person AND p.active
            AND p.signs_in)
    ELSE EXISTS (
        SELECT FROM current_membership m JOIN person p USING (person_id) JOIN school s USING (school_id)
        WHERE m.person_id = c.person AND m.school_id = c.school AND m.role = c.role AND m.begun
          AND p.active AND p.signs_in AND s.active)
    END
"""
# Select the keys that can still be used.
SELECT_STANDING_KEYS = f"SELECT key_id FROM api_key k WHERE key_id = ANY(%(keys)s) AND {KEY_STANDS}"  # noqa: S608

Name = tuple[UUID | None, str, UUID | None, UUID | None]


class Standing:
    """Asks the database, and remembers its answers for a moment."""

    def __init__(self, rows: UnitOfWorkFactory, keys: Keys) -> None:
        self._rows = rows
        self._keys = keys
        self._known: dict[Name, float] = {}
        self._on_change: list[Callable[[], None]] = []

    async def check(self, caller: Caller) -> None:
        """Raise 401 when what the token stands on has ended. Keys are checked where they are found."""
        if caller.key is not None or caller.person is None:
            return
        name, now = (caller.person, caller.role, caller.school, caller.session), time.monotonic()
        if self._known.get(name, 0.0) > now:
            return
        if not await self.ended([caller]):
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[name] = now + REMEMBERED_SECONDS
            return
        raise Problem(401, "unauthenticated", "This session, or the role it was opened for, has ended. Sign in again.")

    async def ended(self, callers: Sequence[Caller]) -> list[Caller]:
        """Return those whose access has ended."""
        people: list[dict[str, Any]] = [
            {
                "nth": nth,
                "person": str(c.person),
                "role": c.role,
                "school": _text(c.school),
                "session": _text(c.session),
            }
            for nth, c in enumerate(callers)
            if c.key is None and c.person is not None
        ]
        keys = [c.key for c in callers if c.key is not None]
        standing = {row["nth"] for row in await self._rows.run_alone(SELECT_STANDING, {"callers": Jsonb(people)})}
        found = await self._rows.run_alone(SELECT_STANDING_KEYS, {"keys": keys}) if keys else ()
        usable = {row["key_id"] for row in found}
        asked = {each["nth"] for each in people}
        return [
            caller
            for nth, caller in enumerate(callers)
            if (nth in asked and nth not in standing) or (caller.key is not None and caller.key not in usable)
        ]

    def changed(self) -> None:
        """Ask again for every caller: something was changed here."""
        self._known.clear()
        self._keys.forget_all()
        for call in self._on_change:
            call()

    def on_change(self, call: Callable[[], None]) -> None:
        """Call `call` whenever access may have been changed here."""
        self._on_change.append(call)


def _text(found: UUID | None) -> str | None:
    return str(found) if found else None

"""Passwords: argon2id in threads, few at once; and how long a name has to wait after failures."""

import asyncio
import hashlib
import secrets
from functools import cache
from typing import Annotated

from pwdlib import PasswordHash
from pydantic import StringConstraints

from gateway.problems import Problem
from shared.transactions.unit_of_work import UnitOfWorkFactory

AT_ONCE = 2
"""Each takes tens of milliseconds of a core and 64 MB."""
PATIENCE_SECONDS = 5.0

Password = Annotated[str, StringConstraints(min_length=10, max_length=200)]

# Select the seconds until a name may be tried again.
SELECT_WAIT = """
SELECT extract(epoch FROM blocked_until - clock_timestamp())::float8 AS wait FROM sign_in_failure
WHERE name_hash = %(name)s AND blocked_until > clock_timestamp()
"""
# Count an attempt as a failure until it has succeeded, so that a hundred at once are no more than one after another.
# Each after the free ones doubles the wait; a day without an attempt resets it.
COUNT_ATTEMPT = """
INSERT INTO sign_in_failure AS f (name_hash, failures, blocked_until) VALUES (%(name)s, 1, '-infinity')
ON CONFLICT (name_hash) DO UPDATE SET last_at = clock_timestamp(),
    failures = CASE WHEN f.last_at < clock_timestamp() - interval '1 day' THEN 1 ELSE f.failures + 1 END,
    blocked_until = CASE WHEN f.failures + 1 >= %(free)s
        THEN clock_timestamp() + make_interval(secs => least(%(longest)s, 5 * 2 ^ least(f.failures + 1 - %(free)s, 30)))
        ELSE '-infinity' END
WHERE f.blocked_until <= clock_timestamp()
RETURNING failures
"""
# Reset the count of a name.
DELETE_FAILURES = "DELETE FROM sign_in_failure WHERE name_hash = %(name)s"
# Delete counts that are a day old.
DELETE_OLD_FAILURES = "DELETE FROM sign_in_failure WHERE last_at < clock_timestamp() - interval '1 day'"


@cache
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _unusable_hash(hasher: PasswordHash) -> str:
    """Hash a password that is thrown away, once for a process: it is compared where a person has none."""
    return hasher.hash(secrets.token_urlsafe(16))


class Passwords:
    """Hashes and checks passwords without blocking the loop. Only tests give a `hasher`, which costs less."""

    def __init__(self, hasher: PasswordHash | None = None) -> None:
        self._hasher = hasher or _hasher()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._unusable = _unusable_hash(self._hasher)

    async def hash(self, password: str) -> str:
        """An argon2id hash with its parameters and salt."""
        await self._place()
        try:
            return await asyncio.to_thread(self._hasher.hash, password)
        finally:
            self._places.release()

    async def right(self, password: str, hashed: str | None) -> bool:
        """Whether the password is correct; it takes as long for a person without a password."""
        await self._place()
        try:
            right = await asyncio.to_thread(self._hasher.verify, password, hashed or self._unusable)
        finally:
            self._places.release()
        return right and hashed is not None

    async def _place(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise Problem(503, "unavailable", "Too many people are signing in. Try again later.") from None


class Failures:
    """Counts wrong passwords by name, also by names without an account, so that a wait reveals nothing."""

    def __init__(self, rows: UnitOfWorkFactory, free: int, longest: float) -> None:
        self._rows = rows
        self._limits = {"free": free, "longest": longest}

    async def attempt(self, name: str) -> None:
        """Note that a password is about to be tried; 429 while the name has to wait."""
        async with self._rows.begin() as tx:
            if await tx.row(COUNT_ATTEMPT, {"name": _hash(name), **self._limits}) is not None:
                return
            row = await tx.row(SELECT_WAIT, {"name": _hash(name)})
        raise Problem(429, "rate_limited", headers={"Retry-After": str(int(row["wait"] if row else 0) + 1)})

    async def succeeded(self, name: str) -> None:
        """Reset the count of a name."""
        async with self._rows.begin() as tx:
            await tx.execute(DELETE_FAILURES, {"name": _hash(name)})


async def forget_failures(rows: UnitOfWorkFactory) -> None:
    """Delete counts that are a day old."""
    async with rows.begin() as tx:
        await tx.execute(DELETE_OLD_FAILURES)


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()

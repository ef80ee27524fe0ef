"""Sessions: an access token of minutes and a refresh token that is replaced each time it is used."""

import datetime as dt
import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from gateway.accounts import accounts
from gateway.accounts.api_keys import digest
from gateway.problems import Problem
from shared.http.tokens import Claims, Signer
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

# Add a refresh token.
OPEN_SESSION = """
INSERT INTO refresh_token (hash, family, person_id, role, school_id, expires_at)
VALUES (%(hash)s, %(family)s, %(person)s, %(role)s, %(school)s, clock_timestamp() + make_interval(secs => %(seconds)s))
"""
# Use a valid refresh token once; returns whose it is.
RENEW_SESSION = """
UPDATE refresh_token SET used_at = clock_timestamp()
WHERE hash = %(hash)s AND used_at IS NULL AND revoked_at IS NULL AND expires_at > clock_timestamp()
RETURNING family, person_id, role, school_id,
    (SELECT min(issued_at) FROM refresh_token r WHERE r.family = refresh_token.family) AS signed_in
"""
# A token that was used before and comes again is in two hands: its whole family ends.
REVOKE_REUSED = """
UPDATE refresh_token SET revoked_at = clock_timestamp() WHERE revoked_at IS NULL AND family IN (
    SELECT family FROM refresh_token WHERE hash = %(hash)s AND used_at IS NOT NULL
) RETURNING person_id
"""
# End the session of a token; returns its person.
REVOKE_FAMILY = """
UPDATE refresh_token SET revoked_at = clock_timestamp()
WHERE revoked_at IS NULL AND family IN (SELECT family FROM refresh_token WHERE hash = %(hash)s) RETURNING person_id
"""
# End a session by its name.
REVOKE_SESSION = (
    "UPDATE refresh_token SET revoked_at = clock_timestamp() WHERE revoked_at IS NULL AND family = %(family)s"
)
# End all sessions of a person.
REVOKE_ALL = """
UPDATE refresh_token SET revoked_at = clock_timestamp() WHERE person_id = %(person)s AND revoked_at IS NULL
"""
# Delete tokens that expired a month ago.
DELETE_EXPIRED = "DELETE FROM refresh_token WHERE expires_at < clock_timestamp() - interval '30 days'"


KNOWN_DEVICE = dt.timedelta(days=180)


class RefreshTokenReused(Problem):
    """A refresh token was used a second time; `person` owns it."""

    def __init__(self, person: UUID) -> None:
        super().__init__(401, "credentials_refused", "The refresh token was used before: the session has ended.")
        self.person = person


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """The role and the school of a sign-in; each may be left out."""

    school: UUID | None = None
    role: str | None = None


def choose(memberships: list[dict[str, Any]], wish: SessionRequest) -> dict[str, Any]:
    """The one membership that fits the wish; 403 if there is none, 422 with the list if there are several."""
    fitting = [
        m
        for m in memberships
        if (wish.school is None or m["school_id"] == wish.school) and (wish.role is None or m["role"] == wish.role)
    ]
    if not fitting:
        raise Problem(403, "forbidden", "You do not have this role at this school today.")
    if len(fitting) > 1:
        listed = [m | {"school_id": str(m["school_id"]) if m["school_id"] else None} for m in fitting]
        raise Problem(422, "membership_needed", memberships=listed)
    return fitting[0]


class Sessions:
    """Opens, renews and ends sessions."""

    def __init__(
        self, rows: UnitOfWorkFactory, signing_key: bytes, access: dt.timedelta, refresh: dt.timedelta
    ) -> None:
        self._rows = rows
        self._signer = Signer(signing_key)
        self._access = access
        self._refresh = refresh

    async def open(
        self,
        tx: UnitOfWork,
        person: UUID,
        wish: SessionRequest,
        family: UUID | None = None,
        signed_in: dt.datetime | None = None,
    ) -> dict[str, Any]:
        """Both tokens for a person in one of their roles. A session that goes on has its family and its beginning."""
        family, signed_in = family or uuid4(), signed_in or dt.datetime.now(dt.UTC)
        as_what = choose(await accounts.memberships(tx, person), wish)
        token = secrets.token_urlsafe(32)
        values = {"hash": digest(token), "family": family, "person": person, "role": as_what["role"]}
        seconds = self._refresh.total_seconds()
        await tx.execute(OPEN_SESSION, values | {"school": as_what["school_id"], "seconds": seconds})
        claims = Claims(
            person=person, role=as_what["role"], school=as_what["school_id"], session=family, signed_in=signed_in
        )
        return {
            "access_token": self._signer.sign(claims, self._access),
            "token_type": "Bearer",
            "expires_in": int(self._access.total_seconds()),
            "refresh_token": token,
            "refresh_expires_in": int(seconds),
            "person_id": person,
            "role": as_what["role"],
            "school_id": as_what["school_id"],
        }

    async def open_console(
        self, tx: UnitOfWork, person: UUID, wish: SessionRequest, lasts: dt.timedelta
    ) -> tuple[str, dict[str, Any]]:
        """Open a session of a browser; return its token and the membership. It is not renewed: it ends after `lasts`.

        Its refresh token leaves this function nowhere: a browser's tabs would renew it at once, and end it so.
        """
        family, signed_in = uuid4(), dt.datetime.now(dt.UTC)
        as_what = choose(await accounts.memberships(tx, person), wish)
        values = {"hash": digest(secrets.token_urlsafe(32)), "family": family, "person": person}
        values |= {"role": as_what["role"], "school": as_what["school_id"], "seconds": lasts.total_seconds()}
        await tx.execute(OPEN_SESSION, values)
        claims = Claims(
            person=person,
            role=as_what["role"],
            school=as_what["school_id"],
            use="console",
            session=family,
            signed_in=signed_in,
        )
        return self._signer.sign(claims, lasts), as_what

    def choice(self, person: UUID, lasts: dt.timedelta) -> str:
        """Sign that a person has shown a password, for the choice of a role that follows."""
        return self._signer.sign(Claims(person=person, role="staff", use="choice"), lasts)

    async def end_session(self, family: UUID) -> None:
        """End a session by its name, which is in each of its tokens."""
        async with self._rows.begin() as tx:
            await tx.execute(REVOKE_SESSION, {"family": family})

    def ticket(self, claims: Claims, ttl: dt.timedelta) -> str:
        """Sign a ticket that opens a stream within `ttl`."""
        return self._signer.sign(claims, ttl)

    def device_token(self, session: dict[str, Any]) -> str:
        """Return what a device shows at its next sign-in, so that failures elsewhere do not make it wait."""
        claims = Claims(person=session["person_id"], role=session["role"], use="device")
        return self._signer.sign(claims, KNOWN_DEVICE)

    async def renew(self, token: str, wish: SessionRequest) -> dict[str, Any]:
        """Renew both tokens, in another role if asked; 401 when expired. A used token ends its whole session."""
        async with self._rows.begin() as tx:
            row = await tx.row(RENEW_SESSION, {"hash": digest(token)})
            if row is not None:
                same = SessionRequest(row["school_id"], row["role"])
                asked = same if wish == SessionRequest() else wish
                return await self.open(tx, row["person_id"], asked, row["family"], row["signed_in"])
            reused = await tx.row(REVOKE_REUSED, {"hash": digest(token)})
        if reused is not None:
            raise RefreshTokenReused(reused["person_id"])
        raise Problem(401, "credentials_refused", "The refresh token is unknown or expired.")

    async def end(self, token: str) -> None:
        """Sign out: the family ends, and its access tokens with it."""
        async with self._rows.begin() as tx:
            await tx.execute(REVOKE_FAMILY, {"hash": digest(token)})


async def end_all(tx: UnitOfWork, person: UUID) -> None:
    """End every session of a person: their password has changed."""
    await tx.execute(REVOKE_ALL, {"person": person})


async def forget_sessions(rows: UnitOfWorkFactory) -> None:
    """Drop tokens that have long been over."""
    async with rows.begin() as tx:
        await tx.execute(DELETE_EXPIRED)

"""Encryption of personal fields with one key per subject (crypto-shredding).

Deleting the key of a subject erases the subject's data in each copy of a message, in the log too. Keys are stored in
the schema `vault`, encrypted with the key of the installation (AES-256-GCM, NIST SP 800-38D, with the subject as
associated data). Workers read them through a short cache; only the gateway creates and deletes them.
"""

import base64
import copy
import datetime as dt
import os
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.rows import DictRow

from shared.errors import Malformed, Refused
from shared.events.event import Event
from shared.persistence.database import Database
from shared.persistence.gathering import Gathering
from shared.settings import read_file

SEALED = "sealed"
NONCE_BYTES = 12
KEY_BYTES = 32

# Find the encrypted keys of subjects.
SELECT_KEYS = "SELECT subject, wrapped FROM vault.key WHERE subject = ANY(%s)"

# Create keys for new subjects, and return them with the existing ones. A key that another transaction has created
# since this statement began is in neither half; SELECT_KEYS finds it.
INSERT_KEYS = """
WITH made AS (
    INSERT INTO vault.key (subject, wrapped)
    SELECT * FROM unnest(%(subjects)s::uuid[], %(wrapped)s::bytea[])
    ON CONFLICT (subject) DO NOTHING RETURNING subject, wrapped
)
SELECT subject, wrapped FROM made UNION ALL SELECT subject, wrapped FROM vault.key WHERE subject = ANY(%(subjects)s)
"""

# Delete a key for ever. The row stays, so that no new key is created for the subject.
ERASE_KEY = """
INSERT INTO vault.key (subject, wrapped, erased_at) VALUES (%(subject)s, NULL, now())
ON CONFLICT (subject) DO UPDATE SET wrapped = NULL, erased_at = coalesce(vault.key.erased_at, now())
"""


def read_master_key(path: Path) -> bytes:
    """Read the key of the installation (32 bytes in base64) from a file; raises Refused, which says what to do."""
    try:
        key = base64.b64decode(read_file("VAULT_KEY_FILE", path), validate=True)
    except ValueError as problem:
        raise Refused(f"VAULT_KEY_FILE {path} does not hold base64: {problem}") from problem
    if len(key) != KEY_BYTES:
        raise Refused(f"VAULT_KEY_FILE {path} must hold {KEY_BYTES} bytes in base64, not {len(key)}")
    return key


@dataclass(slots=True)
class _Lookup:
    """Subjects whose keys are wanted, and the keys that were found."""

    subjects: set[UUID]
    found: dict[UUID, AESGCM | None] = field(default_factory=dict)


class SubjectKeyStore:
    """Reads, creates and erases the keys of subjects. `creates`: whether this service may create keys (the gateway)."""

    def __init__(
        self,
        database: Database,
        master: bytes,
        *,
        creates: bool = False,
        ttl: dt.timedelta = dt.timedelta(seconds=60),
        size: int = 50_000,
    ) -> None:
        self.database = database
        self._master = AESGCM(master)
        self._creates = creates
        self._ttl = ttl.total_seconds()
        self._size = size
        self._cache: OrderedDict[UUID, tuple[float, AESGCM | None]] = OrderedDict()
        self.lookups: Gathering[_Lookup] = Gathering()
        """Messages that arrive together are read with one lookup."""

    def for_requests(self) -> "SubjectKeyStore":
        """Return one with the same cache, for requests: they wait less long for a connection."""
        other = copy.copy(self)
        other.database = self.database.for_requests()
        other.lookups = Gathering()  # a lookup of the others may wait longer
        return other

    async def keys(self, subjects: Iterable[UUID]) -> dict[UUID, AESGCM | None]:
        """Return the key of each subject, None for an erased one. Creates missing keys if this service may.

        A subject without a key that this service may not create is missing in the result.
        """
        now = time.monotonic()
        self.forget_expired(now)
        wanted = set(subjects)
        found: dict[UUID, AESGCM | None] = {}
        for subject in wanted:
            cached = self._cache.get(subject)
            if cached and cached[0] > now:
                found[subject] = cached[1]
        if unknown := wanted - found.keys():
            lookup = _Lookup(unknown)
            await self.lookups.handle(lookup, self._look_up)
            found.update(lookup.found)
        return found

    async def _look_up(self, lookups: list["_Lookup"]) -> None:
        """Fetch the keys of several lookups together, and keep them for a while."""
        expires = time.monotonic() + self._ttl
        fetched = await self._fetch(sorted(set().union(*(lookup.subjects for lookup in lookups))))
        for subject, key in fetched.items():
            self._cache[subject] = (expires, key)
            self._cache.move_to_end(subject)
        while len(self._cache) > self._size:
            self._cache.popitem(last=False)
        for lookup in lookups:
            lookup.found = {subject: fetched[subject] for subject in lookup.subjects & fetched.keys()}

    async def _fetch(self, subjects: list[UUID]) -> dict[UUID, AESGCM | None]:
        rows: list[DictRow] = []
        made: dict[bytes, AESGCM] = {}
        async with self.database.worker() as connection:
            if self._creates:
                keys = [AESGCM.generate_key(256) for _ in subjects]
                wrapped = [self._wrap(subject, key) for subject, key in zip(subjects, keys, strict=True)]
                made = {each: AESGCM(key) for each, key in zip(wrapped, keys, strict=True)}
                rows += await (
                    await connection.execute(INSERT_KEYS, {"subjects": subjects, "wrapped": wrapped})
                ).fetchall()
            if rest := sorted(set(subjects) - {row["subject"] for row in rows}):
                rows += await (await connection.execute(SELECT_KEYS, (rest,))).fetchall()
        return {
            row["subject"]: made.get(row["wrapped"]) or self._unwrap(row["subject"], row["wrapped"]) for row in rows
        }

    def _wrap(self, subject: UUID, key: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._master.encrypt(nonce, key, subject.bytes)

    def _unwrap(self, subject: UUID, wrapped: bytes | None) -> AESGCM | None:
        if wrapped is None:
            return None
        try:
            return AESGCM(self._master.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], subject.bytes))
        except InvalidTag as problem:
            raise Refused("VAULT_KEY_FILE is not the key that encrypted the keys in this database") from problem

    async def erase(self, subject: UUID) -> None:
        """Delete a subject's key for ever. Other processes may use their cached copy until it expires (`ttl`)."""
        async with self.database.worker() as connection:
            await connection.execute(ERASE_KEY, {"subject": subject})
        self._cache.pop(subject, None)

    def forget_expired(self, now: float | None = None) -> None:
        """Drop the keys whose time is over: an erased key must not stay in memory because nothing asks for it."""
        now = time.monotonic() if now is None else now
        while self._cache:
            oldest = next(iter(self._cache))
            if self._cache[oldest][0] > now:
                return
            del self._cache[oldest]

    def clear_cache(self) -> None:
        """Read each key again, so that an erasure takes effect in this process now."""
        self._cache.clear()


def encrypt_personal(
    body: dict[str, Any], personal: Iterable[str], subject: UUID, key: AESGCM | None
) -> dict[str, Any]:
    """Move the personal fields of `body` into an encrypted field `sealed`; drop them if the subject was erased."""
    plain = {name: body[name] for name in personal if name in body}
    rest = {name: value for name, value in body.items() if name not in plain}
    if key is None or not plain:
        return rest
    nonce = os.urandom(NONCE_BYTES)
    box = nonce + key.encrypt(nonce, orjson.dumps(plain), subject.bytes)
    return rest | {SEALED: {"for": str(subject), "box": base64.b64encode(box).decode()}}


def encryption_subject(body: dict[str, Any]) -> UUID | None:
    """Return the subject whose key decrypts this body; None without encrypted fields. Raises Malformed."""
    box = body.get(SEALED)
    try:
        return UUID(box["for"]) if box is not None else None
    except (KeyError, TypeError, ValueError) as problem:
        raise Malformed("sealed: names no subject") from problem


def decrypt_personal(body: dict[str, Any], key: AESGCM | None) -> dict[str, Any]:
    """Return `body` with its personal fields decrypted, or without them if the key was erased. Raises Malformed."""
    rest = {name: value for name, value in body.items() if name != SEALED}
    if key is None or SEALED not in body:
        return rest
    try:
        box = base64.b64decode(body[SEALED]["box"])
        plain = key.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], UUID(body[SEALED]["for"]).bytes)
    except (KeyError, ValueError, InvalidTag) as problem:
        raise Malformed("sealed: cannot be decrypted with the key of its subject") from problem
    return rest | dict(orjson.loads(plain))


def personal_fields(topic: str, major: int) -> frozenset[str]:
    """Return the names of the personal fields of an event type."""
    known = Event.known.get((topic, major))
    return known.personal if known else frozenset()

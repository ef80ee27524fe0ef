"""The first administrator: invited by whoever holds the signing key, because nobody is there yet who could.

They then sign in with a name and a password and invite the others; a token of the key itself belongs to no person.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx

from cli.operations import tokens
from shared.errors import Refused

PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Invited:
    """`token` sets name and password, once, until `expires_at`."""

    person_id: UUID
    token: str
    expires_at: dt.datetime


def invite(signing_key: Path, gateway: str, given_name: str, family_name: str) -> Invited:
    """Make a person who administers the group, and their invitation; raises Refused with the gateway's reason."""
    bearer = {"Authorization": f"Bearer {tokens.make(signing_key, 'platform_admin')}"}
    body = {"given_name": given_name, "family_name": family_name}
    try:
        answer = httpx.post(
            f"{gateway}/v1/administrators", headers=bearer, json=body, timeout=PATIENCE, trust_env=False
        )
    except httpx.HTTPError as problem:
        raise Refused(f"the gateway at {gateway} does not answer: {problem}") from problem
    if answer.is_error:
        raise Refused(f"the gateway at {gateway} says {answer.status_code}: {answer.text}")
    made = answer.json()
    return Invited(UUID(made["person_id"]), made["token"], dt.datetime.fromisoformat(made["expires_at"]))


def screen(gateway: str, invited: Invited) -> str:
    """What to do with it."""
    return f"""Invited until {invited.expires_at:%Y-%m-%d %H:%M} UTC. Set a name, and a password of ten letters or more:

  curl -sS -i {gateway}/v1/invitations/accept -H 'Content-Type: application/json' \\
    -d '{{"token": "{invited.token}", "name": "<name>", "password": "<password>"}}'

and sign in:

  curl -sS {gateway}/v1/sessions -H 'Content-Type: application/json' \\
    -d '{{"name": "<name>", "password": "<password>"}}'
"""

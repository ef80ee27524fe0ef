"""Invite the first administrator with the signing key, because no administrator exists yet who could invite.

The administrator signs in with a name and a password and invites the others; a token of the key belongs to no person.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx

from cli.operations import tokens
from shared.errors import Refused

TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation: `token` sets name and password, once, until `expires_at`."""

    person_id: UUID
    token: str
    expires_at: dt.datetime


def invite(signing_key: Path, gateway: str, given_name: str, family_name: str) -> Invited:
    """Create an administrator of the group and their invitation; raises Refused with the gateway's reason."""
    bearer = {"Authorization": f"Bearer {tokens.make(signing_key, 'platform_admin')}"}
    body = {"given_name": given_name, "family_name": family_name}
    try:
        answer = httpx.post(f"{gateway}/v1/administrators", headers=bearer, json=body, timeout=TIMEOUT, trust_env=False)
    except httpx.HTTPError as problem:
        raise Refused(f"the gateway at {gateway} does not answer: {problem}") from problem
    if answer.is_error:
        raise Refused(f"the gateway at {gateway} answered {answer.status_code}: {answer.text}")
    made = answer.json()
    return Invited(UUID(made["person_id"]), made["token"], dt.datetime.fromisoformat(made["expires_at"]))


def screen(gateway: str, invited: Invited) -> str:
    """Explain how to accept the invitation."""
    return f"""The invitation is valid until {invited.expires_at:%Y-%m-%d %H:%M} UTC.
Set a name, and a password of ten letters or more:

  curl -sS -i {gateway}/v1/invitations/accept -H 'Content-Type: application/json' \\
    -d '{{"token": "{invited.token}", "name": "<name>", "password": "<password>"}}'

Then sign in:

  curl -sS {gateway}/v1/sessions -H 'Content-Type: application/json' \\
    -d '{{"name": "<name>", "password": "<password>"}}'
"""

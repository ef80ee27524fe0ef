"""Three people of the demo school who can sign in, each with a role of their own; invited as anybody is."""

import secrets
from dataclasses import dataclass

from cli.demo.client import Gateway
from cli.demo.school import SCHOOLS


@dataclass(frozen=True, slots=True)
class Account:
    """What somebody signs in with (`POST /v1/sessions`). The password is this stack's own."""

    role: str
    name: str
    password: str


def accounts(gateway: Gateway) -> list[Account]:
    """An administrator of the group, one of the first school, a guardian there. Raises DemoFailed."""
    school = gateway.school(SCHOOLS[0].sourced_id)
    invitations = {
        "platform_admin": gateway.administrator("Demo", "Administrator"),
        "school_admin": gateway.invitation(gateway.first("school_admin", school)),
        "guardian": gateway.invitation(gateway.first("guardian", school)),
    }
    made = [Account(role, f"demo.{role.replace('_', '.')}", secrets.token_urlsafe(9)) for role in invitations]
    for each in made:
        gateway.accept(invitations[each.role], each.name, each.password)
    return made

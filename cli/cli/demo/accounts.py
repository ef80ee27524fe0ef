"""Create three accounts of the demo school, one for each of three roles, by invitation."""

import secrets
from dataclasses import dataclass

from cli.demo.client import Gateway
from cli.demo.school import SCHOOLS


@dataclass(frozen=True, slots=True)
class Account:
    """The name and password of an account (`POST /v1/sessions`). Each stack has its own password."""

    role: str
    name: str
    password: str


def accounts(gateway: Gateway) -> list[Account]:
    """Create an administrator of the group, one of the first school, and a guardian there; raises DemoFailed."""
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

"""What the player needs to know of a running stack: .local/stack.json, and who signs it in."""

import ssl
from collections.abc import Callable
from typing import Any, NotRequired, TypedDict

import httpx


class Mail(TypedDict):
    smtp: str
    http: str


class Stack(TypedDict):
    """.local/stack.json, of which these are read, plus `token`, which makes a bearer token for a role.

    `fcm` and `mail` are there only if the stand-ins are; `fcm_ca` is the file of the CA that fcm's https needs.
    """

    gateway: str
    token: Callable[[str], str]
    fcm: NotRequired[str]
    fcm_ca: NotRequired[str]
    mail: NotRequired[Mail]
    services: NotRequired[Any]


def received(stack: Stack) -> dict[str, int]:
    """What each stand-in took so far, by channel: pushes accepted, recipients of mails. Absent: no stand-in."""
    taken: dict[str, int] = {}
    if "fcm" in stack:
        ca = ssl.create_default_context(cafile=stack["fcm_ca"]) if "fcm_ca" in stack else True
        taken["push"] = _sent(stack["fcm"], ca)
    if "mail" in stack:
        taken["mail"] = _sent(stack["mail"]["http"], verify=True)
    return taken


def _sent(url: str, verify: ssl.SSLContext | bool) -> int:  # httpx's own name and shape
    with httpx.Client(base_url=url, verify=verify, timeout=10) as client:
        return int(client.get("/stats").raise_for_status().json()["sent"])

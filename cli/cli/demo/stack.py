"""The facts of a running stack that the player needs."""

import ssl
from collections.abc import Callable
from typing import Any, NotRequired, TypedDict

import httpx

from shared.events.values import Role


class Mail(TypedDict):
    smtp: str
    http: str


class Stack(TypedDict):
    """The fields of .local/stack.json that are read, and two functions that make bearer tokens.

    `token` makes one for a role, `person_token` one for the first person with a role at a school.

    `fcm` and `mail` are missing when real providers are used; `fcm_ca` is the file of the CA of `fcm`.
    """

    gateway: str
    token: Callable[[Role], str]
    person_token: Callable[[Role, str], str]
    fcm: NotRequired[str]
    fcm_ca: NotRequired[str]
    mail: NotRequired[Mail]
    services: NotRequired[Any]


def received(stack: Stack) -> dict[str, int]:
    """Count what each fake has received, by channel: accepted pushes, recipients of mails. No entry without a fake."""
    counts: dict[str, int] = {}
    if "fcm" in stack:
        ca = ssl.create_default_context(cafile=stack["fcm_ca"]) if "fcm_ca" in stack else True
        counts["push"] = _sent(stack["fcm"], ca)
    if "mail" in stack:
        counts["mail"] = _sent(stack["mail"]["http"], verify=True)
    return counts


def _sent(url: str, verify: ssl.SSLContext | bool) -> int:  # httpx's own name and shape
    with httpx.Client(base_url=url, verify=verify, timeout=10) as client:
        return int(client.get("/stats").raise_for_status().json()["sent"])

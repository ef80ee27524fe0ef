"""Asks the gateway for a verb of an operator."""

from typing import Any

import httpx

from shared.errors import Refused


def ask(client: httpx.Client, method: str, path: str, **more: Any) -> dict[str, Any]:
    """Return the gateway's answer; raises Refused with what it says, or that it cannot be asked."""
    try:
        answer = client.request(method, path, **more)
    except httpx.HTTPError as problem:
        raise Refused(f"the gateway cannot be asked: {type(problem).__name__}") from problem
    if answer.is_success:
        found: dict[str, Any] = answer.json()
        return found
    try:
        said = answer.json()["detail"]
    except (ValueError, KeyError):
        said = f"status {answer.status_code}"
    raise Refused(f"the gateway refuses this: {said}")

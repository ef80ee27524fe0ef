"""Reads and decisions go to the service that owns the thing, with a token that says who asks."""

import datetime as dt
from typing import Any
from uuid import UUID

import httpx
import structlog

from gateway.auth import Caller
from gateway.problems import Problem
from shared.tokens import Claims, sign

log = structlog.get_logger()

TTL = dt.timedelta(seconds=60)


class Owners:
    """The other services, by name."""

    def __init__(self, urls: dict[str, str], signing_key: bytes) -> None:
        self.urls = urls
        self._key = signing_key
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(10, connect=2))

    async def get(
        self, owner: str, path: str, caller: Caller, school: UUID, params: dict[str, Any] | None = None
    ) -> httpx.Response:
        """Ask an owner; 503 while it is away. 404 is the caller's to interpret."""
        claims = Claims(person=caller.person, role=caller.role, school=school, use="internal")
        headers = {"Authorization": f"Bearer {sign(self._key, claims, TTL)}"}
        try:
            response = await self._client.get(self.urls[owner] + path, headers=headers, params=params)
        except httpx.TransportError as problem:
            log.warning("owner.away", owner=owner, error=type(problem).__name__)
            raise Problem(503, "unavailable", f"The {owner} is away; what was accepted is safe.") from problem
        if response.status_code >= 500:  # noqa: PLR2004
            raise Problem(503, "unavailable", f"The {owner} could not answer.")
        if response.status_code == 422:  # noqa: PLR2004
            raise Problem(422, "invalid", errors=response.json().get("detail", []))
        if response.is_error and response.status_code != 404:  # noqa: PLR2004
            log.error("owner.refused", owner=owner, status=response.status_code)
            raise Problem(503, "unavailable", f"The {owner} does not accept the gateway's token.")
        return response

    async def ready(self, owner: str) -> dict[str, Any]:
        """What an owner says of itself, for the status page."""
        try:
            response = await self._client.get(self.urls[owner] + "/health/ready", timeout=1.5)
            return dict(response.json())
        except (httpx.TransportError, ValueError) as problem:
            return {"status": "away", "reasons": [type(problem).__name__]}

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

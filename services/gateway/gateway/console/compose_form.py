"""What the form of a new notification holds, and the request of the API that it means. Pure but for its fields."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import Form

Text = Annotated[str, Form(max_length=12_000)]
Word = Annotated[str, Form(max_length=200)]
Words = Annotated[list[str] | None, Form(max_length=20)]


@dataclass(slots=True)
class ComposeForm:
    """The fields as they were typed; checks come with the request."""

    kind: str = "general"
    title: str = ""
    body: str = ""
    audience: str = "school"
    grade: str = ""
    roles: list[str] = field(default_factory=lambda: ["guardian"])
    channels: list[str] = field(default_factory=lambda: ["push", "mail", "inbox"])
    urgent: bool = False
    when: str = ""
    key: str = ""
    step: Literal["preview", "test", "send"] = "preview"
    previewed: str = ""
    """A digest of what was previewed, so that nothing else is sent."""

    @classmethod
    async def of_request(
        cls,
        kind: Word = "general",
        title: Text = "",
        body: Text = "",
        audience: Word = "school",
        grade: Word = "",
        roles: Words = None,
        channels: Words = None,
        urgent: Word = "",
        when: Word = "",
        key: Word = "",
        step: Annotated[Literal["preview", "test", "send"], Form()] = "preview",
        previewed: Word = "",
    ) -> "ComposeForm":
        """Read the form."""
        return cls(
            kind, title, body, audience, grade, roles or [], channels or [], bool(urgent), when, key, step, previewed
        )


def request_of(form: ComposeForm, zone: str, people: list[str] | None = None) -> dict[str, Any]:
    """Return the request of `POST /v1/notifications`; `people` replaces the audience, for a test."""
    audience: dict[str, Any] = {"school": True} if form.audience == "school" else {"grade": form.grade}
    if people is not None:
        audience = {"people": people}
    else:
        audience["roles"] = form.roles
    asked: dict[str, Any] = {
        "type": form.kind,
        "title": form.title,
        "body": form.body,
        "audience": audience,
        "channels": form.channels,
        "urgent": form.urgent,
    }
    if form.when and people is None:
        asked |= {"deliver_at": form.when, "timezone": zone}
    return asked


def digest_of(form: ComposeForm, zone: str) -> str:
    """Return a digest that differs for every other notification."""
    return hashlib.sha256(json.dumps(request_of(form, zone), sort_keys=True).encode()).hexdigest()

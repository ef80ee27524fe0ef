"""What the form of a new notification holds, and the request of the API that it means. Pure but for its fields."""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

Text = Annotated[str, StringConstraints(max_length=12_000)]
Word = Annotated[str, StringConstraints(max_length=200)]


class ComposeForm(BaseModel):
    """The fields as they were typed; checks come with the request."""

    kind: Word = "general"
    title: Text = ""
    body: Text = ""
    template: Word = ""
    names: list[Word] = Field(default=[], max_length=50)
    values: list[Text] = Field(default=[], max_length=50)
    audience: Word = "school"
    grade: Word = ""
    roles: list[Word] = Field(default=[], max_length=20)
    classes: list[Word] = Field(default=[], max_length=500)
    people: list[Word] = Field(default=[], max_length=900)
    search: Word = ""
    channels: list[Word] = Field(default=[], max_length=20)
    urgent: bool = False
    when: Word = ""
    repeat: Word = ""
    every: Word = "1"
    until: Word = ""
    skip_closed: bool = False
    useful_hours: Word = ""
    canary: Word = ""
    """How many people receive it first; empty: all at once."""
    canary_minutes: Word = "15"
    key: Word = ""
    step: Literal["find", "template", "preview", "test", "send"] = "preview"
    previewed: Word = ""
    """A digest of what was previewed, so that nothing else is sent."""

    @property
    def has_templates(self) -> bool:
        """Whether the form offers templates in place of typed words."""
        return bool(self.template) or self.step == "template"

    @property
    def variables(self) -> dict[str, str]:
        """The variables of the template that were given."""
        return {name: value for name, value in zip(self.names, self.values, strict=False) if value}

    @property
    def has_other_marks(self) -> bool:
        """Whether classes or people are marked that the chosen audience leaves out."""
        return bool(
            (self.classes and self.audience != "classes")
            or (self.people and self.audience not in ("people", "students"))
        )


def request_of(form: ComposeForm, zone: str, people: list[str] | None = None) -> dict[str, Any]:
    """Return the request of `POST /v1/notifications`; `people` replaces audience and time, for a test."""
    asked: dict[str, Any] = {
        "type": form.kind,
        **_words(form),
        "channels": form.channels,
        "urgent": form.urgent,
    }
    if people is not None:
        return asked | {"audience": {"people": people}}
    return asked | {"audience": _audience(form)} | _time(form, zone)


def _words(form: ComposeForm) -> dict[str, Any]:
    """Return the content: typed words are kept in the form, but not sent, while a template is chosen."""
    if form.template:
        return {"template": form.template, "variables": form.variables}
    return {"title": form.title, "body": form.body}


def _audience(form: ComposeForm) -> dict[str, Any]:
    if form.audience == "people":
        return {"people": form.people}
    named: dict[str, dict[str, Any]] = {
        "grade": {"grade": form.grade},
        "classes": {"classes": form.classes},
        "students": {"students": form.people},
    }
    return named.get(form.audience, {"school": True}) | {"roles": form.roles}


def _time(form: ComposeForm, zone: str) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    if form.repeat:
        starts, _, time = form.when.partition("T")
        rule = {
            "kind": "calendar",
            "unit": form.repeat,
            "every": typed_number(form.every),
            "starts": starts,
            "time": time,
        }
        asked = {"timezone": zone, "repeat": rule | {"until": form.until or None, "skip_closed": form.skip_closed}}
    elif form.when:
        asked = {"timezone": zone, "deliver_at": form.when}
    if form.canary:
        asked["canary"] = {"count": typed_number(form.canary), "after_minutes": typed_number(form.canary_minutes)}
    hours = typed_number(form.useful_hours)
    return asked | ({"expires_after_minutes": hours * 60 if isinstance(hours, int) else hours} if hours else {})


def typed_number(typed: str) -> int | str:
    """Return a number in any script; what is none stays as it is, and is refused with its reason."""
    return int(typed) if typed.strip().isdecimal() else typed


def digest_of(form: ComposeForm, zone: str) -> str:
    """Return a digest that differs for every other notification."""
    return hashlib.sha256(json.dumps(request_of(form, zone), sort_keys=True).encode()).hexdigest()

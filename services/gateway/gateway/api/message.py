"""What a notification says, in its sender's words or by a template, and whether somebody must be reached."""

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, model_validator

from gateway.api.fields import NO_NUL, Strict
from shared.events.notifications import Escalation

Words = Annotated[str, StringConstraints(strip_whitespace=True, pattern=NO_NUL)]
TemplateName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
Value = Annotated[str, StringConstraints(max_length=1000, pattern=NO_NUL)]
Key = Annotated[str, StringConstraints(max_length=100, pattern=NO_NUL)]
DAY_MINUTES = 1440
DATA_BYTES = 1900
"""FCM takes 4,096 bytes with title, body and our own ids: what is more would be accepted here and never arrive."""


class EscalationIn(Strict):
    """Every `after_minutes` that nobody has read it one step more: a mail, the next guardian by rank, the office."""

    after_minutes: int = Field(default=15, ge=1, le=DAY_MINUTES)
    steps: list[Literal["mail", "next_guardian", "office"]] = Field(
        default=["mail", "next_guardian", "office"], min_length=1, max_length=10
    )
    deadline: AwareDatetime | None = None

    def of_event(self) -> Escalation:
        """As services know it."""
        deadline = self.deadline.astimezone(dt.UTC) if self.deadline else None
        return Escalation(after_minutes=self.after_minutes, steps=tuple(self.steps), deadline=deadline)


class MessageIn(BaseModel):
    """Either `title` and `body`, or a `template` of the school with its `variables`.

    With `escalation` somebody must be reached; it is in the inbox then, because reading it there ends the matter.
    `data` goes to the app with the push: strings, in all no more than 1,900 bytes.
    """

    title: Annotated[Words, StringConstraints(max_length=200)] = ""
    body: Annotated[Words, StringConstraints(max_length=10_000)] = ""
    template: TemplateName | None = None
    variables: dict[Variable, Value] = Field(default={}, max_length=50)
    escalation: EscalationIn | None = None
    data: dict[Key, Value] = Field(default={}, max_length=50)

    @model_validator(mode="after")
    def fits_into_a_push(self) -> Self:
        """Keys and values, in UTF-8."""
        if sum(len(key.encode()) + len(value.encode()) for key, value in self.data.items()) > DATA_BYTES:
            msg = f"data is longer than {DATA_BYTES} bytes, which no push can carry"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def says_something(self) -> Self:
        """Words or a template: neither would tell nothing, both would leave open what is told."""
        if self.template is not None and (self.title or self.body):
            msg = "give title and body, or a template: not both"
            raise ValueError(msg)
        if self.template is None and not (self.title and self.body):
            msg = "give title and body, or a template"
            raise ValueError(msg)
        if self.variables and self.template is None:
            msg = "variables belong to a template"
            raise ValueError(msg)
        return self

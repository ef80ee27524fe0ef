"""The content of a notification, as text or by a template, and its escalation."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from gateway.http.fields import Strict
from gateway.http.json_types import WHOLE, Instant
from shared.events.notifications import Escalation
from shared.http.fields import NO_NUL, TemplateName, VariableName, VariableValue

Words = Annotated[str, StringConstraints(strip_whitespace=True, pattern=NO_NUL)]
Key = Annotated[str, StringConstraints(max_length=100, pattern=NO_NUL)]
DAY_MINUTES = 1440
DATA_BYTES = 1900
"""FCM takes 4,096 bytes with title, body and our own ids: a larger push would be accepted here and never arrive."""
OURS = frozenset({"notification_id", "school_id", "type"})
RESERVED = ("google", "gcm")
"""With `from` and `message_type`, what FCM keeps for itself (REST v1, Message.data): it refuses the whole push."""


def _carried(data: dict[str, str]) -> dict[str, str]:
    """Data that every push can carry."""
    if not OURS.isdisjoint(data):
        msg = f"these names are reserved: {', '.join(sorted(OURS))}"
        raise ValueError(msg)
    if any(name in ("from", "message_type") or name.startswith(RESERVED) for name in data):
        msg = "FCM reserves these names: from, message_type, and all that begin with google or gcm"
        raise ValueError(msg)
    if sum(len(key.encode()) + len(value.encode()) for key, value in data.items()) > DATA_BYTES:
        msg = f"is longer than {DATA_BYTES} bytes, the most that a push can carry"
        raise ValueError(msg)
    return data


Data = Annotated[dict[Key, VariableValue], Field(max_length=50), AfterValidator(_carried)]
"""The data of a push for the app: keys and values, no more than 1,900 bytes of UTF-8 in all."""


class EscalationIn(Strict):
    """One more step for every `after_minutes` without a reader: a mail, the next guardian by rank, the office."""

    after_minutes: Annotated[int, Field(ge=1, le=DAY_MINUTES), WHOLE] = 15
    steps: list[Literal["mail", "next_guardian", "office"]] = Field(
        default=["mail", "next_guardian", "office"], min_length=1, max_length=10
    )
    deadline: Instant | None = None

    def of_event(self) -> Escalation:
        """Return the escalation of the event."""
        return Escalation(after_minutes=self.after_minutes, steps=tuple(self.steps), deadline=self.deadline)


class MessageIn(BaseModel):
    """Either `title` and `body`, or a `template` of the school with its `variables`.

    With `escalation` a person must be reached; it is in the inbox then, because reading it there ends the escalation.
    `data` goes to the app with the push: strings, in all no more than 1,900 bytes.
    """

    title: Annotated[Words, StringConstraints(max_length=200)] = ""
    body: Annotated[Words, StringConstraints(max_length=10_000)] = ""
    template: TemplateName | None = None
    variables: dict[VariableName, VariableValue] = Field(default={}, max_length=50)
    escalation: EscalationIn | None = None
    data: Data = {}

    @model_validator(mode="after")
    def says_something(self) -> Self:
        """Refuse both text and a template, and neither."""
        if self.template is not None and (self.title or self.body):
            msg = "give either title and body, or a template"
            raise ValueError(msg)
        if self.template is None and not (self.title and self.body):
            msg = "give title and body, or a template"
            raise ValueError(msg)
        if self.variables and self.template is None:
            msg = "variables need a template"
            raise ValueError(msg)
        return self

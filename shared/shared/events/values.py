"""Values that several events share."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["platform_admin", "school_admin", "staff", "teacher", "guardian", "student"]


Channel = Literal["push", "mail", "inbox"]


Kind = Literal["academic", "behavior", "payment", "general", "safety"]
"""Safety (school closed, a child is missing) passes quiet hours and cannot be opted out of."""


Occasion = Literal["absence", "payment_due", "payment_received", "behavior", "report"]
"""What a school may let the guardians be told of by itself."""


Responsibility = Literal["any", "custody", "billing", "emergency", "care"]
"""What a guardian has to answer for to be meant; `care` is custody or emergency."""


class Part(BaseModel):
    """A value inside an event: frozen, unknown fields ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

"""Values that several events share."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["platform_admin", "school_admin", "staff", "teacher", "guardian", "student"]


Channel = Literal["push", "mail", "inbox"]


Kind = Literal["academic", "behavior", "payment", "general", "safety"]
"""Safety messages (school closed, a child is missing) ignore quiet hours, and people cannot opt out of them."""


Occasion = Literal["absence", "payment_due", "payment_received", "behavior", "report"]
"""Occasions for which a school can switch on automatic notifications to guardians."""


Responsibility = Literal["any", "custody", "billing", "emergency", "care"]
"""The responsibility that a guardian needs to be notified; `care` is custody or emergency."""


class Part(BaseModel):
    """A value inside an event: frozen, unknown fields ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

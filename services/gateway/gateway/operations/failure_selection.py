"""Which open failures an operator means: a filter, and what of it was seen."""

import datetime as dt
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from gateway.http.fields import MOST, Occurrence, Prose, Strict
from shared.http.fields import NO_NUL

Part = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=NO_NUL)]
FILTERS = ("failure", "service", "queue", "fingerprint", "type", "school")

# Select open failures of a filter that were there when they were seen.
SELECTED = """
given_back_at IS NULL AND discarded_at IS NULL AND opened_at <= %(seen_until)s
AND (%(failure)s::bigint IS NULL OR failure_id = %(failure)s)
AND (%(service)s::text IS NULL OR split_part(queue, '.', 1) = %(service)s)
AND (%(queue)s::text IS NULL OR queue = %(queue)s)
AND (%(fingerprint)s::text IS NULL OR fingerprint = %(fingerprint)s)
AND (%(type)s::text IS NULL OR type = %(type)s)
AND (%(school)s::uuid IS NULL OR school_id = %(school)s)
"""


# Select open failures of the accepted retry `s`, whose failures are not members yet.
SELECTED_BY_ROW = """
f.given_back_at IS NULL AND f.discarded_at IS NULL AND f.opened_at <= s.seen_until
AND (s.failure IS NULL OR f.failure_id = s.failure)
AND (s.service IS NULL OR split_part(f.queue, '.', 1) = s.service)
AND (s.queue IS NULL OR f.queue = s.queue)
AND (s.fingerprint IS NULL OR f.fingerprint = s.fingerprint)
AND (s.type IS NULL OR f.type = s.type)
AND (s.school IS NULL OR f.school_id = s.school)
"""


class FailureSelection(Strict):
    """Open failures of a filter. Acts on what was seen: failures after `seen_until` are untouched.

    `count` is how many were seen; another number is refused. Without any filter, `everything` must be true.
    """

    failure: int | None = Field(None, ge=1, le=MOST)
    service: Part | None = None
    queue: Part | None = None
    fingerprint: Part | None = None
    type: Part | None = None
    school: UUID | None = None
    everything: bool = False
    seen_until: Occurrence
    count: int = Field(ge=1, le=MOST)

    @model_validator(mode="after")
    def is_meant(self) -> Self:
        """Refuse an empty filter unless it says that it means everything, and a filter that says so too."""
        filtered = any(getattr(self, name) is not None for name in FILTERS)
        if not filtered and not self.everything:
            msg = "has no filter; set `everything` to true to mean all open failures"
            raise ValueError(msg)
        if filtered and self.everything:
            msg = "has a filter and `everything`; give one of them"
            raise ValueError(msg)
        return self

    def values(self) -> dict[str, Any]:
        """The values of SELECTED."""
        return {name: getattr(self, name) for name in FILTERS} | {"seen_until": self.seen_until}

    def named(self) -> dict[str, str]:
        """What the audit says about it."""
        given = {name: str(getattr(self, name)) for name in FILTERS if getattr(self, name) is not None}
        return given | {"seen_until": self.seen_until.astimezone(dt.UTC).isoformat(), "count": str(self.count)}


class DiscardIn(FailureSelection):
    """Open failures that are to be closed without a retry, and why."""

    reason: Annotated[Prose, StringConstraints(strip_whitespace=True, min_length=1)]

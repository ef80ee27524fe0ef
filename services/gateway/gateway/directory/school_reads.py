"""Answers about schools, and the statement that selects them."""

from uuid import UUID

from pydantic import BaseModel
from sqlmodel import case, col, func

from gateway.tables import SchoolRow, SchoolShown
from shared.events.directory import QuietHours
from shared.persistence.query import Query, given, showing


class School(SchoolShown):
    """A school and its settings; `version` is its ETag."""

    id: UUID
    quiet: QuietHours | None


class SchoolPage(BaseModel):
    """By id; pass `next` as `after` to go on."""

    items: list[School]
    next: UUID | None


QUIET = func.jsonb_build_object("starts", SchoolRow.quiet_starts, "ends", SchoolRow.quiet_ends)
LIST_SCHOOLS = Query(
    School,
    showing(School, SchoolRow, id=SchoolRow.school_id, quiet=case((col(SchoolRow.quiet_starts).is_not(None), QUIET)))
    .order_by(col(SchoolRow.school_id))
    .limit(given("limit")),
    school=col(SchoolRow.school_id) == given("school"),
    sourced_id=col(SchoolRow.sourced_id) == given("sourced_id"),
    active=col(SchoolRow.active) == given("active"),
    after=col(SchoolRow.school_id) > given("after"),
)
"""By id."""

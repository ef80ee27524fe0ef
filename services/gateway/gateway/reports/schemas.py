"""What a request of a report holds, and what is shown of a report."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, WithJsonSchema, model_validator

from gateway.http.fields import ONE_LINE, Grade, SchoolName, Strict
from gateway.http.json_types import DATE, YEAR, Flag
from shared.events.reports import ReportFormat, ReportKind, ReportLanguage

MONTH = re.compile(f"{YEAR}-(0[1-9]|1[0-2])")
PERIOD = re.compile(f"{MONTH.pattern}|{DATE}/{DATE}")
LONGEST = dt.timedelta(days=400)
FORMATS: Mapping[ReportKind, tuple[ReportFormat, ...]] = {
    "monthly": ("pdf", "xlsx", "csv"),
    "student_progress": ("pdf", "xlsx", "csv"),
    "grade_progress": ("pdf", "zip"),
}
"""What each kind can be made as; the first two unless a request names some."""
SUBJECTS: Mapping[ReportKind, tuple[bool, bool]] = {
    "monthly": (False, False),
    "student_progress": (True, False),
    "grade_progress": (False, True),
}
"""Whether each kind is about a student, and whether about a grade."""


def days_of(period: str) -> tuple[dt.date, dt.date]:
    """Return the first day of a period and the first day after it; raises ValueError for a day that does not exist."""
    if not PERIOD.fullmatch(period):
        raise ValueError(period)
    if MONTH.fullmatch(period):
        starts = dt.date.fromisoformat(f"{period}-01")
        return starts, (starts + dt.timedelta(days=31)).replace(day=1)
    first, last = map(dt.date.fromisoformat, period.split("/"))
    return first, last + dt.timedelta(days=1)


def _possible(period: str) -> str:
    try:
        starts, ends = days_of(period)
    except (ValueError, OverflowError):
        msg = "must be a month, as in 2026-11, or its first and last day, as in 2026-09-01/2026-12-18"
        raise ValueError(msg) from None
    if not starts < ends <= starts + LONGEST:
        msg = f"must end after it begins, and not be longer than {LONGEST.days} days"
        raise ValueError(msg)
    return period


Period = Annotated[
    str, AfterValidator(_possible), WithJsonSchema({"type": "string", "pattern": f"^({PERIOD.pattern})$"})
]


class ReportIn(Strict):
    """A report to make. A monthly one covers a school's calendar month; progress of a student or a grade any days.

    `grade_progress` makes a ZIP with a PDF for each student of a grade, and one PDF of all of them for the printer.
    `to_share` makes the version of a monthly report that may leave the school: small counts are not shown, and lists,
    days and amounts are left out.
    """

    school: SchoolName | None = None
    kind: ReportKind
    student: UUID | None = None
    grade: Grade | None = None
    period: Period
    formats: list[ReportFormat] | None = Field(default=None, min_length=1, max_length=3)
    language: ReportLanguage = "en"
    force: Flag = False
    replaces: UUID | None = None
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=ONE_LINE)] = ""
    to_share: Flag = False

    @model_validator(mode="after")
    def about_one_subject(self) -> Self:
        """A monthly report is about a school, a progress report about one student or one grade."""
        if (self.student is not None, self.grade is not None) != SUBJECTS[self.kind]:
            msg = "student_progress needs a student, grade_progress a grade; monthly has neither"
            raise ValueError(msg)
        if wrong := set(self.formats or ()) - set(FORMATS[self.kind]):
            msg = f"{self.kind} is made as {', '.join(FORMATS[self.kind])}, not as {', '.join(sorted(wrong))}"
            raise ValueError(msg)
        if self.to_share and self.kind != "monthly":
            msg = "only a monthly report has a version to share"
            raise ValueError(msg)
        if self.kind == "monthly" and not MONTH.fullmatch(self.period):
            msg = "a monthly report covers a month, as in 2026-11"
            raise ValueError(msg)
        return self


class FileOut(BaseModel):
    """A file of a report. `url` works for some minutes and needs no token; read the report again for a new one."""

    format: str
    media_type: str
    size: int
    sha256: str
    url: str


class ReportSummary(BaseModel):
    """A report. `state` is accepted, waiting, ready, failed or cancelled; `ends` is the first day after its period.

    `smallest_count` is set for a version to share: smaller counts are not shown.
    """

    id: UUID
    task_id: UUID
    state: str
    kind: ReportKind
    student: UUID | None = None
    grade: str | None = None
    starts: dt.date
    ends: dt.date
    language: str
    requested_by: UUID | None = None
    requested_at: dt.datetime
    ready_at: dt.datetime | None = None
    replaces: UUID | None = None
    reason: str = ""
    smallest_count: int | None = None
    same_as: UUID | None = None


class ReportOut(ReportSummary):
    """A report with its files."""

    name: str
    period: str
    files: list[FileOut]


class ReportList(BaseModel):
    """Newest first; pass `next` as `after` to go on."""

    items: list[ReportSummary]
    next: UUID | None

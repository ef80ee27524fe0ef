"""A new report: kind, subject, period, formats and language."""

from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field, StringConstraints, ValidationError
from uuid_utils.compat import uuid7

from gateway.console.chosen_school import ChosenSchool
from gateway.console.console_route import ConsoleRoute
from gateway.console.page import Page, ReaderPage
from gateway.console.people_names import StudentChoice, choose_student
from gateway.console.query import IdFilter, ReportKindFilter, id_of
from gateway.console.refusals import refusal_text
from gateway.console.texts import N_
from gateway.console.vocabulary import REPORT_KINDS
from gateway.http.dependencies import Rows
from gateway.problems import Problem, readable
from gateway.reports import routes as report_routes
from gateway.reports.schemas import FORMATS, ReportIn
from gateway.security.access_control import OFFICE, STAFF, allow
from gateway.security.caller import Caller, CurrentCaller
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/console/reports", include_in_schema=False, route_class=ConsoleRoute)

STUDENT_OPEN = N_("Choose the student: several fit, or none.")
PERIOD = N_("Give a month, or the first and the last day.")
FORMAT = N_("This kind of report is not made in one of these formats.")
UNUSABLE = N_("This cannot be used.")
SHOWN = frozenset({404, 409, 422})
# List the grades of a school's students.
LIST_GRADES = """
SELECT DISTINCT grade FROM student WHERE school_id = %(school)s AND active AND grade IS NOT NULL ORDER BY grade
"""


Text = Annotated[str, StringConstraints(max_length=200)]


class Order(BaseModel):
    """The form, as it was typed."""

    kind: Text = ""
    student: Text = ""
    student_name: Text = ""
    grade: Text = ""
    month: Text = ""
    starts: Text = ""
    ends: Text = ""
    formats: list[Text] = Field(default=[], max_length=4)
    language: Text = "en"
    to_share: bool = False
    force: bool = False
    key: Text = ""
    wish: Text = "make"

    @property
    def period(self) -> str:
        """The period as the API names it."""
        return f"{self.starts}/{self.ends}" if self.starts or self.ends else self.month.strip()


@dataclass(frozen=True, slots=True)
class Shown:
    """What the form shows besides what was typed."""

    choice: StudentChoice
    grades: list[str]
    errors: dict[str, str] = field(default_factory=dict)


@router.get("/new", dependencies=[allow(STAFF)])
async def ask_report(
    page: ReaderPage,
    school: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    student: IdFilter = None,
    kind: ReportKindFilter = None,
) -> Response:
    """Show the form; with `student`, for a report of that student."""
    shown = await _look(rows, school, student)
    first = "student_progress" if student or caller.role not in OFFICE else kind or "monthly"
    return _form(page, caller, Order(kind=first, key=str(uuid7()), language=page.language), shown)


@router.post("/new", dependencies=[allow(STAFF)])
async def make(
    page: ReaderPage,
    school: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    order: Annotated[Order, Form()],
) -> Response:
    """Request a report and show it; what cannot be used is shown in the form."""
    about_student = order.kind == "student_progress"
    shown = await _look(rows, school, id_of(order.student), order.student_name if about_student else "")
    if order.wish != "make":
        return _form(page, caller, order, shown)
    if about_student and shown.choice.is_open:
        return _refused(page, caller, order, shown, {"student": page.text(STUDENT_OPEN)})
    try:
        body = ReportIn.model_validate(_asked(order, shown.choice.student if about_student else None))
        answer = await report_routes.create(body, caller, rows, Response(), str(school), order.key or None)
    except ValidationError as problem:
        return _refused(page, caller, order, shown, _errors(page, readable(problem.errors())))
    except Problem as problem:
        if problem.status not in SHOWN:
            raise
        errors = _errors(page, problem.more.get("errors", [])) or {"form": refusal_text(page, problem)}
        return _refused(page, caller, order, shown, errors, problem.status)
    return RedirectResponse(page.href(f"/console/reports/{answer['id']}"), 303)


async def _look(rows: UnitOfWorkFactory, school: UUID, student: UUID | None, typed: str = "") -> Shown:
    choice = await choose_student(rows, school, student, typed)
    async with rows.request(school) as tx:
        return Shown(choice, [row["grade"] for row in await tx.rows(LIST_GRADES, {"school": school})])


def _asked(order: Order, student: UUID | None) -> dict[str, Any]:
    asked: dict[str, Any] = {"kind": order.kind, "period": order.period, "language": order.language}
    if order.kind == "grade_progress":
        asked["grade"] = order.grade
    if student is not None:
        asked["student"] = student
    return asked | {
        "formats": order.formats or None,
        "to_share": order.to_share and order.kind == "monthly",
        "force": order.force,
    }


def _errors(page: Page, errors: list[dict[str, Any]]) -> dict[str, str]:
    """Return the errors by field; one of the whole form says itself what is wrong."""
    known = {"period": page.text(PERIOD), "formats": page.text(FORMAT), "student": page.text(STUDENT_OPEN)}
    found: dict[str, str] = {}
    for error in errors:
        name = str(error["loc"][-1]) if error["loc"] else "form"
        message = known.get(name, error["message"]) if error["code"] != "future" else error["message"]
        found[name if name in {*known, "grade", "kind", "language"} else "form"] = message
    return found


def _refused(
    page: Page, caller: Caller, order: Order, shown: Shown, errors: dict[str, str], status: int = 422
) -> Response:
    return _form(page, caller, order, Shown(shown.choice, shown.grades, errors), status)


def _form(page: Page, caller: Caller, order: Order, shown: Shown, status: int = 200) -> Response:
    kinds = REPORT_KINDS if caller.role in OFFICE else {"student_progress": REPORT_KINDS["student_progress"]}
    return page.html(
        "report_new.html",
        status,
        order=order,
        choice=shown.choice,
        grades=shown.grades,
        errors=shown.errors,
        kinds=[(name, page.text(text)) for name, text in kinds.items()],
        formats=list(dict.fromkeys(each for name in kinds for each in FORMATS[name])),  # type: ignore[index]
    )

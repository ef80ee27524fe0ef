"""A scene of the demo: a school's administrator records facts of a student and asks for two reports."""

import datetime as dt
import time
from contextlib import closing
from zoneinfo import ZoneInfo

from cli.demo.client import DemoFailed
from cli.demo.office_actions import Office
from cli.demo.report_check import check_monthly, check_progress, monthly_figures
from cli.demo.report_desk import KINDS, ReportDesk
from cli.demo.scenes import Key, Scene
from cli.demo.school import SCHOOLS
from cli.demo.stack import Stack

WITHIN = 180.0
POLL = 0.25
PLACE = SCHOOLS[0]
GRADE = "06"


class Reports:
    """Ask for a monthly report and a student's progress report, and compare them with the records."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def scene(self) -> Scene:
        """Return the scene."""
        return Scene("Make a monthly and a progress report", self.act)

    def act(self, office: Office, key: Key) -> list[str]:
        """Play the scene; returns the notifications that tell the administrator of both reports."""
        place = office.school(PLACE.sourced_id)
        before = office.notifications(place)
        today = dt.datetime.now(ZoneInfo(PLACE.timezone)).date()
        token = self._stack["person_token"]
        with closing(ReportDesk(self._stack["gateway"], lambda: token("school_admin", PLACE.sourced_id))) as desk:
            student = str(desk.students(place, GRADE)[0]["id"])
            _record(desk, place, student, today)
            _make_reports(desk, place, student, today, key)
        return _told(office, place, before)


def _record(desk: ReportDesk, place: str, student: str, today: dt.date) -> None:
    """Record something of each kind."""
    day = today.isoformat()
    about = {"student_id": student}
    for severity, category in (("praise", "helpfulness"), ("minor", "lateness")):
        desk.record("behavior-reports", place, about | {"happened_on": day, "severity": severity, "category": category})
    fee = about | {"amount": "12.50", "discount": "1.50", "currency": "EUR"}
    desk.record("payments", place, fee | {"status": "received", "paid_on": day, "purpose": "Made-up excursion"})
    desk.record("payments", place, fee | {"status": "due", "due_on": day, "purpose": "Made-up lunch"})
    desk.record("grades", place, about | {"course": "Mathematics", "given_on": day, "grade": "B+"})
    desk.record("grades", place, about | {"course": "Languages", "given_on": day, "grade": "A-"})
    desk.record("remarks", place, about | {"noted_on": day, "text": "Asks good made-up questions."})


def _make_reports(desk: ReportDesk, place: str, student: str, today: dt.date, key: Key) -> None:
    """Request both reports, download their files and compare them with what the API lists."""
    asked = {"school": place, "period": f"{today:%Y-%m}"}
    monthly = desk.request_report(asked | {"kind": "monthly"}, key())
    progress = desk.request_report(asked | {"kind": "student_progress", "student": student}, key())
    first = today.replace(day=1)
    days = (first, (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1))
    records = {kind: desk.records(kind, place, days) for kind in KINDS}
    check_monthly(_files(desk, place, monthly), monthly_figures(len(desk.students(place)), records))
    mine = [each["grade"] for each in records["grades"] if each["student_id"] == student]
    check_progress(_files(desk, place, progress), mine)


def _files(desk: ReportDesk, place: str, report: str) -> dict[str, bytes]:
    """Wait for a report and download its files."""
    until = time.monotonic() + WITHIN
    while (found := desk.report(place, report))["state"] != "ready":
        if found["state"] in ("failed", "cancelled") or time.monotonic() > until:
            raise DemoFailed(f"report {report} is {found['state']}")
        time.sleep(POLL)
    return {each["format"]: desk.download(each["url"]) for each in found["files"]}


def _told(office: Office, place: str, before: set[str]) -> list[str]:
    """Wait for the notifications of both reports."""
    until = time.monotonic() + WITHIN
    while len(new := office.notifications(place) - before) < 2:  # noqa: PLR2004  # one for each report
        if time.monotonic() > until:
            raise DemoFailed(f"{len(new)} of 2 reports were announced within {WITHIN:.0f} s")
        time.sleep(POLL)
    return sorted(new)

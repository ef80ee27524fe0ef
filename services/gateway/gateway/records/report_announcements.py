"""Announces a report that is ready to its requester and, if the school allows it, to its readers."""

from uuid import uuid5

from gateway.http.opened_sends import open_send
from gateway.records.announcement_rules import report_audiences
from gateway.records.announcements import CHANNELS
from shared.events import NotificationRequested, ReportReady
from shared.transactions.unit_of_work import UnitOfWork

# Read which announcements the school allows, and whether the requester reads the report, by the school's day.
SELECT_SCHOOL = """
SELECT s.announces, s.active, s.directory_version, p.given_name,
    CASE WHEN %(student)s::uuid IS NULL THEN EXISTS (
        SELECT FROM current_membership m WHERE m.school_id = s.school_id AND m.person_id = %(requester)s
          AND m.role = 'school_admin' AND m.begun)
    ELSE EXISTS (
        SELECT FROM guardianship g WHERE g.school_id = s.school_id AND g.student_id = %(student)s
          AND g.guardian_id = %(requester)s AND g.custody) END AS answers
FROM school s LEFT JOIN person p ON p.person_id = %(student)s WHERE s.school_id = %(school)s
"""
# Ask whether a notification was requested before.
SELECT_INTENT = "SELECT FROM intent WHERE notification_id = %(notification)s"


async def announce_report(event: ReportReady, tx: UnitOfWork) -> None:
    """Request the notifications that follow; their ids follow from the report's, so that a repeat requests none."""
    values = {"school": event.school_id, "student": event.student_id, "requester": event.requested_by}
    school = await tx.row(SELECT_SCHOOL, values)
    if school is None or not school["active"]:
        return
    announced = "report" in school["announces"]
    title = ", ".join(filter(None, (event.name, school["given_name"])))
    for whom, audience in report_audiences(event, announced=announced, requester_answers=school["answers"]).items():
        notification = uuid5(event.report_id, whom)
        if await tx.row(SELECT_INTENT, {"notification": notification}) is not None:
            continue
        open_send(
            tx,
            NotificationRequested(
                notification_id=notification,
                task_id=uuid5(event.report_id, f"{whom}/task"),
                school_id=event.school_id,
                kind="academic",
                audience=audience,
                channels=CHANNELS,
                directory_version=event.directory_version or school["directory_version"],
                requested_by=event.requested_by,
                requested_at=event.ready_at,
                origin=f"report:{event.report_id}",
                origin_version=1,
                template="report_ready",
                variables={"report": title, "period": event.period},
                data={"record": "report", "record_id": str(event.report_id)},
            ),
        )

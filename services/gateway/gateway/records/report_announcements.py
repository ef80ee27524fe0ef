"""A report that is ready is told to whoever asked for it and, where the school lets it be, to whom it is for."""

from uuid import uuid5

from gateway.records.announcement_rules import report_audiences
from gateway.records.announcements import CHANNELS
from gateway.sends.commands import OPEN
from shared.events import NotificationRequested, ReportReady
from shared.transactions.unit_of_work import UnitOfWork

# Whether whoever asked is told as one of those whom it is for.
SCHOOL = """
SELECT s.announces, s.active, s.directory_version, p.given_name,
    CASE WHEN %(student)s::uuid IS NULL THEN EXISTS (
        SELECT FROM membership m WHERE m.school_id = s.school_id AND m.person_id = %(requester)s
          AND m.role = 'school_admin' AND (m.starts IS NULL OR m.starts <= current_date)
          AND (m.ends IS NULL OR m.ends > current_date))
    ELSE EXISTS (
        SELECT FROM guardianship g WHERE g.school_id = s.school_id AND g.student_id = %(student)s
          AND g.guardian_id = %(requester)s AND g.custody) END AS answers
FROM school s LEFT JOIN person p ON p.person_id = %(student)s WHERE s.school_id = %(school)s
"""

ASKED = "SELECT FROM intent WHERE notification_id = %(notification)s"


async def announce_report(event: ReportReady, tx: UnitOfWork) -> None:
    """Ask for the notifications that follow; their ids follow from the report's, so that a repeat is the same."""
    values = {"school": event.school_id, "student": event.student_id, "requester": event.requested_by}
    school = await tx.row(SCHOOL, values)
    if school is None or not school["active"]:
        return
    announced = "report" in school["announces"]
    for whom, audience in report_audiences(event, announced=announced, requester_answers=school["answers"]).items():
        notification, task = uuid5(event.report_id, whom), uuid5(event.report_id, f"{whom}/task")
        opened = {"task": task, "notification": notification, "school": event.school_id, "group": None}
        if await tx.row(ASKED, opened) is not None:
            continue
        await tx.execute(OPEN, opened | {"person": event.requested_by})
        tx.emit(
            NotificationRequested(
                notification_id=notification,
                task_id=task,
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
                variables={
                    "report": ", ".join(filter(None, (event.name, school["given_name"]))),
                    "period": event.period,
                },
                data={"record": "report", "record_id": str(event.report_id)},
            )
        )

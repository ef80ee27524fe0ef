"""The actions of a school's office besides sending: settings, absences and their correction, scheduled sends."""

import datetime as dt
from typing import Any

from cli.demo.client import DemoFailed, Gateway, Message


class Office(Gateway):
    """The gateway as the office uses it. `school` is the gateway's id of one."""

    def settings(self, school: str, **changes: Any) -> dict[str, Any]:
        """Change some settings and return their former values."""
        before = self.call("GET", f"/v1/schools/{school}").json()
        self.call("PATCH", f"/v1/schools/{school}", json=changes)
        return {name: before[name] for name in changes}

    def student(self, school: str, grade: str, day: dt.date) -> str:
        """Return a student of a grade without any absence recorded that day: the demo may run several times a day."""
        asked: dict[str, Any] = {"school": school, "limit": 200}
        students = self.call("GET", "/v1/students", params=asked | {"grade": grade}).json()["items"]
        days = {"since": day.isoformat(), "until": day.isoformat()}
        known: set[str] = set()
        for withdrawn in ("true", "false"):
            page = self.call("GET", "/v1/absences", params=asked | days | {"withdrawn": withdrawn}).json()
            known |= {str(each["student_id"]) for each in page["items"]}
        found = next((str(each["id"]) for each in students if str(each["id"]) not in known), None)
        if found is None:
            raise DemoFailed(f"every student of grade {grade} already has an absence today")
        return found

    def record_absence(self, school: str, student: str, day: dt.date, key: str) -> str:
        """Record an absence and return the id of the record."""
        content = {"student_id": student, "day": day.isoformat(), "status": "absent"}
        headers = {"idempotency-key": key}
        asked = {"school": school}
        return str(self.call("POST", "/v1/absences", params=asked, json=content, headers=headers).json()["ids"][0])

    def withdraw_absence(self, school: str, record: str) -> None:
        """Withdraw an absence that was recorded by mistake."""
        self.call("DELETE", f"/v1/absences/{record}", params={"school": school}, headers={"if-match": '"1"'})

    def notifications(self, school: str) -> set[str]:
        """Return the ids of the notifications of this school."""
        found: set[str] = set()
        asked: dict[str, Any] = {"school": school, "limit": 200}
        while True:
            page = self.call("GET", "/v1/notifications", params=asked).json()
            found |= {str(each["notification_id"]) for each in page["items"]}
            if page["next"] is None:
                return found
            asked["after"] = page["next"]

    def send_later(self, message: Message, at: dt.datetime, key: str) -> tuple[str, str]:
        """Schedule a send; return the ids of the schedule and of its notification."""
        content = message.content() | {"deliver_at": at.isoformat()}
        body = self.call("POST", "/v1/notifications", json=content, headers={"idempotency-key": key}).json()
        return str(body["schedule_id"]), str(body["notification_id"])

    def cancel(self, schedule: str) -> None:
        """Cancel a scheduled send; the answer comes once it is certain that it never runs."""
        self.call("DELETE", f"/v1/schedules/{schedule}")

    def schedule_state(self, schedule: str) -> str:
        return str(self.call("GET", f"/v1/schedules/{schedule}").json()["state"])

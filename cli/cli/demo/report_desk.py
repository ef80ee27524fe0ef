"""The gateway as a school's administrator uses it for records and reports."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import httpx

from cli.demo.client import Gateway

KINDS = ("behavior-reports", "absences", "payments", "grades", "remarks")


class ReportDesk(Gateway):
    """Record facts of students, request reports, download their files."""

    def students(self, school: str, grade: str | None = None) -> list[dict[str, Any]]:
        """Return the active students of a school, or of one grade."""
        asked = {"school": school, "active": "true", "limit": 200} | ({"grade": grade} if grade else {})
        return self._all("/v1/students", asked)

    def record(self, kind: str, school: str, content: Mapping[str, Any]) -> None:
        """Record one fact of a student."""
        self.call("POST", f"/v1/{kind}", params={"school": school}, json=dict(content))

    def records(self, kind: str, school: str, days: tuple[dt.date, dt.date]) -> list[dict[str, Any]]:
        """Return the facts of records from the first up to the last day, with the id of their student."""
        asked = {"school": school, "since": days[0].isoformat(), "until": days[1].isoformat(), "limit": 200}
        return [each["facts"] | {"student_id": each["student_id"]} for each in self._all(f"/v1/{kind}", asked)]

    def request_report(self, content: Mapping[str, Any], key: str) -> str:
        """Request a report and return its id."""
        answer = self.call("POST", "/v1/reports", json=dict(content), headers={"idempotency-key": key})
        return str(answer.json()["report_id"])

    def report(self, school: str, report: str) -> dict[str, Any]:
        """Return a report; before its service knows it, only its state."""
        response = self._client.get(f"/v1/reports/{report}", params={"school": school})
        if response.status_code == httpx.codes.NOT_FOUND:
            return {"state": "accepted", "files": []}
        found: dict[str, Any] = response.raise_for_status().json()
        return found

    def download(self, url: str) -> bytes:
        """Return a file; its link is enough, no token is sent."""
        return self._client.get(url, auth=None).raise_for_status().content

    def _all(self, path: str, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        params = dict(asked)
        while True:
            page = self.call("GET", path, params=params).json()
            found += page["items"]
            if page["next"] is None:
                return found
            params["after"] = page["next"]

"""The actions of a school's office with documents: upload one, wait until it is read, confirm it, find its records."""

import time
from typing import Any

from cli.demo.client import FINAL, DemoFailed, task_id
from cli.demo.office_actions import Office

WITHIN = 180.0
"""A photograph is read by OCR, which takes seconds a page, on a busy machine more."""
POLL = 0.25


def upload(office: Office, school: str, student: str, kind: str, name: str, content: bytes, key: str) -> str:
    """Upload a document about a student, wait until it is read, and return the id of its file."""
    response = office.call(
        "POST",
        "/v1/files",
        data={"kind": kind, "school": school, "student": student},
        files={"file": (name, content)},
        headers={"idempotency-key": key},
    )
    file, task = str(response.json()["id"]), task_id(response)
    until = time.monotonic() + WITHIN
    while (seen := office.task(task)).state not in FINAL:
        if time.monotonic() > until:
            raise DemoFailed(f"{name} was not read within {WITHIN:.0f} s")
        time.sleep(POLL)
    if seen.state != "succeeded":
        raise DemoFailed(f"{name}: its task {seen.state}: {seen.error}")
    return file


def read(office: Office, file: str) -> dict[str, Any]:
    """Return what is known of a file."""
    found: dict[str, Any] = office.call("GET", f"/v1/files/{file}").json()
    return found


def expect_state(office: Office, file: str, state: str) -> dict[str, Any]:
    """Return a file; raises DemoFailed if it has another state."""
    found = read(office, file)
    if found["state"] != state:
        raise DemoFailed(f"{found['name']} is {found['state']} instead of {state}: {', '.join(found['reasons'])}")
    return found


def confirm(office: Office, found: dict[str, Any], corrections: dict[str, str]) -> None:
    """Confirm what a file says, with corrections."""
    headers = {"if-match": f'"{found["version"]}"'}
    office.call("POST", f"/v1/files/{found['id']}/confirm", json={"fields": corrections}, headers=headers)


def records(office: Office, school: str, path: str, student: str, file: str, expected: int) -> list[dict[str, Any]]:
    """Wait for the records that a file led to; raises DemoFailed unless there are `expected`."""
    until = time.monotonic() + WITHIN
    asked: dict[str, Any] = {"school": school, "student": student, "limit": 200}
    while True:
        items = office.call("GET", f"/v1/{path}", params=asked).json()["items"]
        found = [each["facts"] for each in items if each["facts"]["file_id"] == file]
        if len(found) == expected:
            return found
        if time.monotonic() > until or len(found) > expected:
            raise DemoFailed(f"the file led to {len(found)} {path} instead of {expected}")
        time.sleep(POLL)

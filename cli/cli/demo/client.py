"""A client of the gateway's public API, as far as the demo uses it. It knows nothing of the gateway's inside."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from cli.demo.school import Device

FINAL = frozenset({"succeeded", "failed", "cancelled"})
BUSY = frozenset({429, 503})
BUSY_FOR = 60.0
LONGEST_PAUSE = 10.0
TIMEOUT = httpx.Timeout(30, write=120)


class DemoFailed(Exception):
    """The demo cannot continue; the message says at which step."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the gateway; `progress` is from 0 to 1."""

    id: str
    state: str
    progress: float = 0.0
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Task":
        return cls(
            body["id"],
            body["state"],
            share(body.get("progress")),
            body.get("result") or {},
            str(body.get("error") or ""),
        )


@dataclass(frozen=True, slots=True)
class Sent:
    """A notification as the gateway reports it; `counts` is by channel and delivery state."""

    id: str
    state: str
    planned: int | None
    counts: Mapping[str, Mapping[str, int]]

    @classmethod
    def parse(cls, notification: str, body: Mapping[str, Any]) -> "Sent":
        return cls(notification, body["state"], body.get("planned"), body.get("counts") or {})


@dataclass(frozen=True, slots=True)
class Message:
    school: str
    type: str
    title: str
    body: str
    audience: Mapping[str, Any]
    channels: Sequence[str] = ("push", "mail", "inbox")

    def content(self) -> dict[str, Any]:
        return {
            "school": self.school,
            "type": self.type,
            "title": self.title,
            "body": self.body,
            "audience": dict(self.audience),
            "channels": list(self.channels),
        }


def share(progress: Any) -> float:
    """Return progress from 0 to 1; the gateway reports it as a share or as {"done": n, "total": m}."""
    if isinstance(progress, Mapping):
        total = float(progress.get("total") or 0)
        return min(1.0, float(progress.get("done") or 0) / total) if total else 0.0
    return float(progress or 0)


class Bearer(httpx.Auth):
    """Send a bearer token; tokens are valid for 15 minutes, so a 401 gets one new token."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make
        self._token = make()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._token = self._make()
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request


class Gateway:
    """Call the gateway; raises DemoFailed with status and problem code for an error answer."""

    def __init__(self, url: str, token: Callable[[], str]) -> None:
        self._client = httpx.Client(base_url=url, auth=Bearer(token), timeout=TIMEOUT)

    def close(self) -> None:
        self._client.close()

    def import_roster(self, roster: bytes, key: str) -> str:
        """Upload a roster and return the id of the import's task."""
        headers = {"content-type": "application/zip", "idempotency-key": key}
        return task_id(self.call("POST", "/v1/imports/oneroster", content=roster, headers=headers))

    def task(self, task: str) -> Task:
        return Task.parse(self.call("GET", f"/v1/tasks/{task}").json())

    def register(self, devices: Sequence[Device]) -> None:
        rows = [
            {"person": {"sourced_id": each.person}, "token": each.token, "platform": each.platform} for each in devices
        ]
        self.call("POST", "/v1/devices:bulk", json={"devices": rows})

    def send(self, message: Message, key: str) -> str:
        """Send a message and return the id of the notification."""
        headers = {"idempotency-key": key}
        body = self.call("POST", "/v1/notifications", json=message.content(), headers=headers).json()
        return str(body["id"])

    def notification(self, notification: str) -> Sent:
        body = self.call("GET", f"/v1/notifications/{notification}").json()
        return Sent.parse(notification, body)

    def person(self, sourced_id: str) -> str:
        """Return the gateway's id of a person in the roster."""
        return self._only("/v1/people", sourced_id)

    def school(self, sourced_id: str) -> str:
        return self._only("/v1/schools", sourced_id)

    def first(self, role: str, school: str) -> str:
        """Return the id of a person with this role at a school."""
        asked: dict[str, Any] = {"school": school, "role": role, "limit": 1}
        items = self.call("GET", "/v1/people", params=asked).json()["items"]
        if not items:
            raise DemoFailed(f"no person at {school} has the role {role}")
        return str(items[0]["id"])

    def administrator(self, given: str, family: str) -> str:
        """Add an administrator of the whole group and return the token of the invitation."""
        content = {"given_name": given, "family_name": family}
        return str(self.call("POST", "/v1/administrators", json=content).json()["token"])

    def invitation(self, person: str) -> str:
        """Invite a person and return the token of the invitation."""
        return str(self.call("POST", f"/v1/people/{person}/invitations").json()["token"])

    def accept(self, token: str, name: str, password: str) -> None:
        """Accept an invitation by setting a name and a password."""
        self.call("POST", "/v1/invitations/accept", json={"token": token, "name": name, "password": password})

    def _only(self, path: str, sourced_id: str) -> str:
        items = self.call("GET", path, params={"sourced_id": sourced_id}).json()["items"]
        if len(items) != 1:
            raise DemoFailed(f"{path}: expected one item for {sourced_id}, found {len(items)}")
        return str(items[0]["id"])

    def call(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Repeat the call for up to a minute while the answer is 429 or 503: idempotency keys make that safe."""
        until = time.monotonic() + BUSY_FOR
        while True:
            response = self._client.request(method, path, **content)
            if response.status_code not in BUSY or time.monotonic() > until:
                break
            time.sleep(min(LONGEST_PAUSE, seconds(response.headers.get("retry-after"))))
        if response.is_error:
            raise DemoFailed(f"{method} {path}: {response.status_code} {problem(response)}")
        return response


def task_id(response: httpx.Response) -> str:
    location = response.headers.get("location", "")
    if "/v1/tasks/" not in location:
        raise DemoFailed(f"{response.request.url.path}: the answer has no Location of a task")
    return str(location.rsplit("/", 1)[1])


def seconds(retry_after: str | None) -> float:
    """Return Retry-After in seconds; a date (RFC 9110 allows it) or a missing header counts as one second."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else 1.0


def problem(response: httpx.Response) -> str:
    """Return the problem's code and detail (RFC 9457), or the reason phrase."""
    if "json" not in response.headers.get("content-type", ""):
        return response.reason_phrase
    body = response.json()
    return f"{body.get('code', '')} {body.get('detail', '')}".strip() if isinstance(body, dict) else ""

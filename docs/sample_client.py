"""A client of the API in one file: sign in, who am I, send once, follow the task, read the inbox.

    python docs/sample_client.py http://127.0.0.1:8000 NAME PASSWORD

It needs Python 3.11 and httpx, and nothing of this repository.
"""

import sys
import time
import uuid
from typing import Any

import httpx

ENDED = ("succeeded", "failed", "cancelled")


class SchoolConnect:
    """A session of one person. Tokens last for minutes, so an expired one is renewed and the request repeated."""

    def __init__(self, http: httpx.Client, name: str, password: str) -> None:
        self._http = http
        self._keep(http.post("/v1/sessions", json={"name": name, "password": password}))

    def _keep(self, answer: httpx.Response) -> None:
        session = self._checked(answer)
        self._token, self._refresh = session["access_token"], session["refresh_token"]

    def ask(self, method: str, path: str, **content: Any) -> Any:
        """Send a request; raise RuntimeError with the problem's code and detail."""
        headers = {"Authorization": f"Bearer {self._token}", **content.pop("headers", {})}
        answer = self._http.request(method, path, headers=headers, **content)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._keep(self._http.post("/v1/sessions/refresh", json={"refresh_token": self._refresh}))
            headers["Authorization"] = f"Bearer {self._token}"
            answer = self._http.request(method, path, headers=headers, **content)
        return self._checked(answer)

    def _checked(self, answer: httpx.Response) -> Any:
        if answer.is_error:
            problem = answer.json()
            raise RuntimeError(f"{problem['code']}: {problem['detail']}")
        return answer.json() if answer.content else None

    def me(self) -> dict[str, Any]:
        """Return who is signed in, with roles and schools."""
        found: dict[str, Any] = self.ask("GET", "/v1/me")
        return found

    def send(self, title: str, body: str, audience: dict[str, Any]) -> str:
        """Send a notification once, however often the request is repeated; return its task."""
        wanted = {"type": "general", "title": title, "body": body, "audience": audience, "channels": ["inbox"]}
        key = {"Idempotency-Key": str(uuid.uuid4())}
        task: str = self.ask("POST", "/v1/notifications", json=wanted, headers=key)["task_id"]
        return task

    def wait(self, task: str, seconds: float = 30) -> dict[str, Any]:
        """Return a task once it has ended, or as it is after some seconds."""
        until = time.monotonic() + seconds
        while True:
            found: dict[str, Any] = self.ask("GET", f"/v1/tasks/{task}")
            if found["state"] in ENDED or time.monotonic() > until:
                return found
            time.sleep(0.5)


def main(address: str, name: str, password: str) -> None:
    """Send a notification to oneself and show what became of it."""
    with httpx.Client(base_url=address, timeout=30) as http:
        client = SchoolConnect(http, name, password)
        me = client.me()
        print(f"signed in as {me['given_name']} {me['family_name']}, {me['role']}")
        task = client.send("A first message", "Sent by the sample client.", {"people": [me["person_id"]]})
        print(client.wait(task)["state"])


if __name__ == "__main__":
    main(*sys.argv[1:4])

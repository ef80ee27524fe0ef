"""Asks the gateway as an operator, and follows a task with a progress bar on stderr."""

import time
from typing import Any, Final

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from shared.errors import Refused

FAILED: Final = 3
"""Exit code of a task that failed or was cancelled; 1 is for what was refused."""
TIMEOUT = 30.0
LOOK_SECONDS = 0.5
ENDED = frozenset({"succeeded", "failed", "cancelled"})
BUSY = frozenset({404, 429, 503})


def ask(client: httpx.Client, method: str, path: str, **more: Any) -> dict[str, Any]:
    """Return the answer as JSON; raises Refused with what the gateway says is wrong."""
    try:
        answer = client.request(method, path, **more)
    except httpx.HTTPError as problem:
        raise Refused(f"the gateway cannot be asked: {type(problem).__name__}") from problem
    if answer.is_success:
        found: dict[str, Any] = answer.json()
        return found
    body = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    reasons = [body.get("detail") or f"status {answer.status_code}"]
    reasons += [f"{'.'.join(map(str, each['loc'][1:]))}: {each['message']}" for each in body.get("errors", ())]
    raise Refused("the gateway refuses this: " + "; ".join(reasons))


def follow(client: httpx.Client, task_id: str) -> dict[str, Any]:
    """Show the progress of a task until it has ended; returns it. A gateway that is away is asked again."""
    columns = (
        TextColumn("{task.description:<12}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False) as progress:
        bar = progress.add_task("accepted", total=None)
        while True:
            answer = _look(client, task_id)
            if answer is not None and answer.status_code not in BUSY:
                found: dict[str, Any] = answer.raise_for_status().json()
                done = found["progress"]
                progress.update(bar, description=found["state"], completed=done["done"], total=done["total"] or None)
                if found["state"] in ENDED:
                    return found
            time.sleep(LOOK_SECONDS)


def _look(client: httpx.Client, task_id: str) -> httpx.Response | None:
    """Ask for a task; None from a gateway that is away."""
    try:
        return client.get(f"/v1/tasks/{task_id}")
    except httpx.TransportError:
        return None

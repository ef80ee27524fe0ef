"""`schoolconnect reports make`: request a report over HTTP, wait for it, save its files."""

import argparse
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.terminal import complain, say
from shared.errors import Refused

FAILED: Final = 1
REFUSED: Final = 3
LATE: Final = 4
"""Exit codes; 2 is for wrong arguments, as everywhere."""
ENDED = frozenset({"succeeded", "failed", "cancelled"})
BUSY = frozenset({429, 503})
TOKEN = "SCHOOLCONNECT_TOKEN"  # noqa: S105  # the name of the variable, not its value
PAUSE = 0.5
"""Seconds between two questions about a task."""


def run(options: argparse.Namespace, gateway: str) -> int:
    """Make the report that the arguments describe; returns the exit code.

    0: its files are saved. 1: it failed or was cancelled. 3: the gateway refused the request. 4: it was not ready in
    time; it goes on, and its id was printed.
    """
    token = os.environ.get(TOKEN, "")
    if not token:
        raise Refused(f"set {TOKEN} to a bearer token, for example that of `schoolconnect token`")
    headers = {"authorization": f"Bearer {token}"}
    try:
        with httpx.Client(base_url=gateway, headers=headers, timeout=30) as client:
            return _make(client, options)
    except httpx.RequestError as problem:
        raise Refused(f"the gateway at {gateway} does not answer: {type(problem).__name__}") from problem
    except httpx.HTTPStatusError as problem:
        raise Refused(f"the gateway answered {problem.response.status_code}; the report goes on") from problem


def _make(client: httpx.Client, options: argparse.Namespace) -> int:
    answer = client.post("/v1/reports", json=_asked(options), headers={"idempotency-key": str(uuid4())})
    if answer.is_error:
        return _refuse(answer)
    report = str(answer.json()["report_id"])
    task = _wait(client, report, options)
    if task["state"] not in ENDED:
        complain(f"report {report} is not ready after {options.timeout:.0f} s; it goes on: GET /v1/reports/{report}")
        return LATE
    if task["state"] != "succeeded":
        complain(f"report {report}: {task['state']}: {task.get('error') or 'no reason is known'}")
        return FAILED
    found = client.get(f"/v1/reports/{report}", params=_school(options))
    if found.is_error:
        return _refuse(found)
    saved = [str(_save(client, found.json(), file, options.out)) for file in found.json()["files"]]
    say(json.dumps({"report_id": report, "files": saved}) if options.json else "\n".join(saved))
    return 0


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    names = ("kind", "period", "language", "student", "grade", "school", "replaces", "reason")
    asked = {name: getattr(options, name) for name in names if getattr(options, name)}
    flags = {name: True for name in ("force", "to_share") if getattr(options, name)}
    return asked | ({"formats": options.format} if options.format else {}) | flags


def _school(options: argparse.Namespace) -> dict[str, str]:
    return {"school": options.school} if options.school else {}


def _refuse(answer: httpx.Response) -> int:
    """Print why the gateway refused, as its problem says."""
    problem: Mapping[str, Any] = {}
    if "json" in answer.headers.get("content-type", ""):
        problem = answer.json()
    complain(
        f"the gateway answered {answer.status_code}: {problem.get('detail') or problem.get('title') or ''}".strip()
    )
    for each in problem.get("errors", ()):
        complain(f"  {'.'.join(map(str, each['loc'][1:])) or 'request'}: {each['message']}")
    return REFUSED


def _wait(client: httpx.Client, task: str, options: argparse.Namespace) -> Mapping[str, Any]:
    """Follow a task until it has ended or the time is over; the bar is on stderr."""
    columns = (
        TextColumn("{task.description:<12}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    until = time.monotonic() + options.timeout
    found: Mapping[str, Any] = {"state": "accepted"}
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False) as progress:
        bar = progress.add_task("accepted", total=None)
        while True:
            answer = client.get(f"/v1/tasks/{task}", params=_school(options))
            if answer.status_code not in BUSY:
                found = answer.raise_for_status().json()
                done = found["progress"]
                progress.update(bar, description=found["state"], completed=done["done"], total=done["total"] or None)
            if found["state"] in ENDED or time.monotonic() > until:
                return found
            time.sleep(PAUSE)


def _save(client: httpx.Client, report: Mapping[str, Any], file: Mapping[str, Any], folder: Path) -> Path:
    """Save one file under the name that the gateway gives it; a file of that name is replaced."""
    path = folder / f"{report['id']}.{'zip' if file['format'] == 'csv' else file['format']}"
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with client.stream("GET", file["url"]) as answer, unfinished.open("wb") as target:
            answer.raise_for_status()
            for part in answer.iter_bytes():
                target.write(part)
        unfinished.replace(path)
    except OSError as problem:
        raise Refused(f"{path}: {problem.strerror}") from problem
    finally:
        unfinished.unlink(missing_ok=True)
    return path

"""`schoolconnect tasks`, `queues`, `workers` and `people`: what runs and waits, what an operator orders and exports.

Thin over the gateway's API.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from cli.layout import write_private
from cli.operations.operator_api import ask
from cli.terminal import complain, say

TASK_FILTERS = ("state", "kind", "person", "school", "from", "until", "text", "after", "limit")

Run = Callable[[argparse.Namespace, httpx.Client], int]


def add_tasks(verb: argparse.ArgumentParser) -> None:
    """Add the verbs of tasks."""
    verbs = verb.add_subparsers(required=True, dest="action", metavar="VERB")
    listing = _add(verbs, "list", "list tasks, the newest first", _list_tasks)
    for name in TASK_FILTERS:
        listing.add_argument(f"--{name}", default=None)
    listing.add_argument("--active", action="store_true", help="only those that have not ended")
    _add(verbs, "show", "show one task", _show_task).add_argument("task")
    _add(verbs, "timeline", "show what happened for a task", _show_timeline).add_argument("task")
    _add(verbs, "cancel", "request that a task stops", _cancel_task).add_argument("task")


def add_queues(verb: argparse.ArgumentParser) -> None:
    """Add the verbs of queues."""
    verbs = verb.add_subparsers(required=True, dest="action", metavar="VERB")
    _add(verbs, "list", "list queues: depth, consumers, whether they are paused", _list_queues)
    for name, text in (("pause", "consume no more from a queue"), ("resume", "consume from a paused queue again")):
        ordered = _add(verbs, name, text, _order_queue)
        ordered.add_argument("queue")
        ordered.add_argument("--reason", required=True)


def add_workers(verb: argparse.ArgumentParser) -> None:
    """Add the verbs of workers."""
    verbs = verb.add_subparsers(required=True, dest="action", metavar="VERB")
    _add(verbs, "list", "list workers by their heartbeats", _list_workers).add_argument("--state", default=None)
    drained = _add(verbs, "drain", "let one process finish and consume no more", _drain_worker)
    drained.add_argument("worker")
    drained.add_argument("--reason", required=True)


def add_people(verb: argparse.ArgumentParser) -> None:
    """Add the verbs of people."""
    verbs = verb.add_subparsers(required=True, dest="action", metavar="VERB")
    exported = _add(verbs, "export", "save all data of one person as JSON", _export_person)
    exported.add_argument("person", help="id of the person")
    exported.add_argument("--school", default=None, help="id or sourcedId: only this school's part")
    exported.add_argument("--out", type=Path, default=None, metavar="FILE", help="where to save (default: ID.json)")


def _add(verbs: Any, name: str, text: str, run: Run) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    added.add_argument("--json", action="store_true", help="print the answer as JSON")
    added.add_argument("--gateway", default="", help="URL of the gateway (default: the local stack's)")
    added.set_defaults(operate=run)
    return added


def run(options: argparse.Namespace, client: httpx.Client) -> int:
    """Run one verb and return its exit code. Raises Refused with what the gateway says."""
    operate: Run = options.operate
    return operate(options, client)


def _list_tasks(options: argparse.Namespace, client: httpx.Client) -> int:
    chosen = {name: getattr(options, name) for name in TASK_FILTERS if getattr(options, name) is not None}
    found = ask(client, "GET", "/v1/tasks", params=chosen | ({"active": "true"} if options.active else {}))
    columns = {"id": 36, "kind": 22, "state": 9, "progress": 13, "created_at": 19, "error": 0}
    rows = [each | {"progress": f"{each['progress']['done']}/{each['progress']['total']}"} for each in found["items"]]
    _print(options, found, columns, rows)
    if found["next"] and not options.json:
        looked = f"looked at {found['searched']} tasks; " if found["searched"] else ""
        say(f"{looked}more with --after {found['next']}")
    return 0


def _show_task(options: argparse.Namespace, client: httpx.Client) -> int:
    return _fields(options, ask(client, "GET", f"/v1/tasks/{quote(options.task, safe='')}"))


def _show_timeline(options: argparse.Namespace, client: httpx.Client) -> int:
    found = ask(client, "GET", f"/v1/tasks/{quote(options.task, safe='')}/timeline")
    rows = [each | {"failed": ", ".join(one["queue"] for one in each["failures"])} for each in found["steps"]]
    columns = {"at": 23, "service": 10, "type": 26, "state": 10, "seconds": 8, "handler_seconds": 15, "attempt": 7}
    _print(options, found, columns | {"failed": 0}, rows)
    for note in [] if options.json else found["notes"]:
        say(f"note: {note}")
    return 0


def _cancel_task(options: argparse.Namespace, client: httpx.Client) -> int:
    return _fields(options, ask(client, "POST", f"/v1/tasks/{quote(options.task, safe='')}/cancel"))


def _list_queues(options: argparse.Namespace, client: httpx.Client) -> int:
    found = ask(client, "GET", "/v1/queues")
    columns = {"name": 40, "ready": 8, "unacknowledged": 14, "consumers": 9, "in_per_second": 13, "out_per_second": 14}
    columns |= {"oldest_seconds": 14, "paused": 0}
    _print(options, found, columns, found["items"])
    if not found["broker"] and not options.json:
        say("note: the broker is unavailable, so that depths are not known")
    return 0


def _order_queue(options: argparse.Namespace, client: httpx.Client) -> int:
    path = f"/v1/queues/{quote(options.queue, safe='')}/{options.action}"
    return _fields(options, ask(client, "POST", path, json={"reason": options.reason}))


def _list_workers(options: argparse.Namespace, client: httpx.Client) -> int:
    found = ask(client, "GET", "/v1/workers", params={"state": options.state} if options.state else {})
    columns = {"worker": 40, "state": 8, "seen_at": 19, "version": 10, "in_flight": 9, "handled": 9, "draining": 0}
    _print(options, found, columns, [each["facts"] | each for each in found["items"]])
    return 0


def _drain_worker(options: argparse.Namespace, client: httpx.Client) -> int:
    path = f"/v1/workers/{quote(options.worker, safe='')}/drain"
    return _fields(options, ask(client, "POST", path, json={"reason": options.reason}))


def _export_person(options: argparse.Namespace, client: httpx.Client) -> int:
    path = f"/v1/people/{quote(options.person, safe='')}/export"
    found = ask(client, "POST", path, params={"school": options.school} if options.school else {})
    text = json.dumps(found, indent=2, ensure_ascii=False)
    if options.json:
        say(text)
    else:
        target: Path = options.out or Path(f"{found['person_id']}.json")
        write_private(target, text.encode())
        say(f"saved {target}, which only you can read")
    if found["cut"]:
        complain(f"note: only the newest rows of these parts are shown: {', '.join(found['cut'])}")
    return 0


def _print(
    options: argparse.Namespace,
    found: dict[str, Any],
    columns: Mapping[str, int],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Print rows as a table, whose last column has any width, or the answer as JSON."""
    if options.json:
        say(json.dumps(found))
        return
    say("  ".join(name.replace("_", " ").ljust(width) for name, width in columns.items()).rstrip())
    for row in rows:
        say("  ".join(_shown(row.get(name), width).ljust(width) for name, width in columns.items()).rstrip())


def _shown(value: object, width: int) -> str:
    text = "-" if value is None else str(value)
    return text[:width] if width else text


def _fields(options: argparse.Namespace, found: dict[str, Any]) -> int:
    if options.json:
        say(json.dumps(found))
    else:
        for name, value in found.items():
            say(f"{name:<20} {_shown(value, 0)}")
    return 0

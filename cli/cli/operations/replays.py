"""`schoolconnect replay`, `react`, `resync`: a service uses the log again. Thin over the gateway's API.

Without `--yes` a dry run comes first: it shows what would be used, and asks.
"""

import argparse
import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import httpx

from cli.operations.operator_api import FAILED, ask, follow
from cli.terminal import complain, say

Confirm = Callable[[str], bool]


def add_replay(verb: argparse.ArgumentParser) -> None:
    """Add the arguments of `replay`."""
    _add_filter(verb)
    verb.add_argument("--projection", help="needed if the service has several")
    verb.add_argument("--mode", choices=("rebuild", "in_place"), help="default: in_place with a filter, else rebuild")
    verb.add_argument("--type", dest="types", action="append", default=[], help="only these events; may be repeated")
    verb.add_argument("--force", action="store_true", help="accept a log that has lost its first events")
    verb.set_defaults(path="/v1/replays")


def add_react(verb: argparse.ArgumentParser) -> None:
    """Add the arguments of `react`."""
    _add_filter(verb)
    verb.add_argument("type", help="the topic, such as file.processed")
    verb.add_argument("--event", dest="events", action="append", default=[], help="id of an event; may be repeated")
    verb.add_argument("--everything", action="store_true", help="all events of the topic; only without another filter")
    verb.set_defaults(path="/v1/replays/reactions")


def add_resync(verb: argparse.ArgumentParser) -> None:
    """Add the arguments of `resync`."""
    _add_common(verb)
    verb.add_argument("service", nargs="?", default="gateway")
    verb.add_argument("state", nargs="?", default="directory")
    verb.set_defaults(path="/v1/replays/resyncs")


def _add_common(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--json", action="store_true", help="print the ended task as JSON")
    verb.add_argument("--yes", action="store_true", help="do not ask")
    verb.add_argument("--gateway", default="", help="URL of the gateway (default: the local stack's)")


def _add_filter(verb: argparse.ArgumentParser) -> None:
    _add_common(verb)
    verb.add_argument("service", help="such as reports")
    verb.add_argument("--since", type=_instant, help="a day (UTC) or an instant, such as 2026-09-01")
    verb.add_argument("--until", type=_instant, help="the same; default: the end of the log")
    verb.add_argument("--school", dest="schools", action="append", default=[], help="id; may be repeated")
    verb.add_argument("--dry-run", action="store_true", help="only count")


def _instant(text: str) -> str:
    """Read a day or an instant; without an offset it is UTC."""
    found = dt.datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).isoformat()


def run(options: argparse.Namespace, client: httpx.Client, confirm: Confirm) -> int:
    """Run one verb and return its exit code. Raises Refused with what the gateway says."""
    names = ("service", "projection", "mode", "type", "types", "events", "schools", "since", "until", "everything",
             "force", "state")  # fmt: skip
    asked = {name: getattr(options, name) for name in names if getattr(options, name, None)}
    if options.path.endswith("resyncs"):
        if not options.yes and not confirm(f"Publish the {options.state} of {options.service} again?"):
            return _declined()
        return _do(client, options, asked)
    reacting = options.path.endswith("reactions")
    if options.dry_run or reacting or not options.yes:
        accepted = ask(client, "POST", options.path, json=asked | {"dry_run": True})
        dry = follow(client, accepted["task_id"])
        if options.dry_run or dry["state"] != "succeeded":
            return _show(dry, options)
        _describe(dry["result"])
        if not dry["result"]["events"]:
            complain("no event of the log matches; nothing was done")
            return 1
        if not options.yes and not confirm(f"Replay {dry['result']['events']} events?"):
            return _declined()
        if reacting:  # what was seen is acted on
            asked |= {"until": accepted["until"], "count": dry["result"]["events"]}
    return _do(client, options, asked)


def _declined() -> int:
    complain("nothing was done")
    return 1


def _do(client: httpx.Client, options: argparse.Namespace, asked: dict[str, Any]) -> int:
    accepted = ask(client, "POST", options.path, json=asked)
    return _show(follow(client, accepted["task_id"]), options)


def _show(task: dict[str, Any], options: argparse.Namespace) -> int:
    if options.json:
        say(json.dumps(task))
    else:
        _describe(task["result"] or {})
        say(f"{task['state']} (task {task['id']})")
        if task["error"]:
            complain(task["error"])
    return 0 if task["state"] == "succeeded" else FAILED


def _describe(result: dict[str, Any]) -> None:
    for stream, seen in result.get("streams", {}).items():
        if seen["events"]:
            say(f"{stream}: {seen['events']} events, {seen['from_time'][:19]} to {seen['to_time'][:19]}")
        for type_, count in seen["types"].items():
            say(f"  {count:>9}  {type_}")
    for table, rows in result.get("changed", {}).items():
        say(f"{table}: {rows} rows corrected" if rows else f"{table}: already correct")
    for name in ("handler", "handled_before", "would_handle", "given", "held_back", "published"):
        if name in result:
            say(f"{name.replace('_', ' ')}: {result[name]}")

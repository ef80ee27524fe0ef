"""`schoolconnect failures`: list by fault, show one, retry or discard many. Thin over the gateway's API."""

import argparse
import json
from collections.abc import Callable
from typing import Any

import httpx

from cli.operations.operator_api import FAILED, ask, follow
from cli.terminal import complain, say
from shared.errors import Refused

FILTERS = ("service", "queue", "fingerprint", "type", "school")

Confirm = Callable[[str], bool]


def add(verb: argparse.ArgumentParser) -> None:
    """Add the verbs of failures to the command."""
    verbs = verb.add_subparsers(required=True, dest="action", metavar="VERB")
    texts = {
        "list": "list open failures, one line for each fault of a consumer",
        "show": "show one failure",
        "retry": "return failures to the queue that they failed in; exit code 3 if some fail again",
        "discard": "close failures without a retry",
    }
    for name, text in texts.items():
        added = verbs.add_parser(name, help=text, description=text)
        added.add_argument("--json", action="store_true", help="print the answer as JSON")
        added.add_argument("--gateway", default="", help="URL of the gateway (default: the local stack's)")
        if name == "show":
            added.add_argument("failure", type=int)
            continue
        for filter_ in FILTERS:
            added.add_argument(f"--{filter_}", default=None)
        if name == "list":
            continue
        added.add_argument("--everything", action="store_true", help="all open failures; only without another filter")
        added.add_argument("--yes", action="store_true", help="do not ask")
        if name == "discard":
            added.add_argument("--reason", required=True)


def run(options: argparse.Namespace, client: httpx.Client, confirm: Confirm) -> int:
    """Run one verb and return its exit code. Raises Refused with what the gateway says."""
    if options.action == "show":
        return _show(ask(client, "GET", f"/v1/failures/{options.failure}"), options)
    chosen = {name: getattr(options, name) for name in FILTERS if getattr(options, name) is not None}
    if options.action != "list" and not chosen and not options.everything:
        raise Refused("name a filter (--fingerprint, --queue, …), or --everything")
    seen = ask(client, "GET", "/v1/failure-groups", params=chosen)
    if options.action == "list":
        return _list(seen, options)
    if not seen["count"]:
        raise Refused("no open failure matches; nothing was done")
    doing = "Retry" if options.action == "retry" else "Discard"
    if not options.yes and not confirm(f"{doing} {seen['count']} failures with {len(seen['items'])} faults?"):
        complain("nothing was done")
        return 1
    # What was seen is acted on: failures that arrived since are left alone.
    selection = chosen | {"everything": options.everything, "seen_until": seen["seen_until"], "count": seen["count"]}
    if options.action == "discard":
        done = ask(client, "POST", "/v1/failures/discard", json=selection | {"reason": options.reason})
        say(json.dumps(done) if options.json else f"{done['discarded']} failures discarded")
        return 0
    accepted = ask(client, "POST", "/v1/failures/retry", json=selection)
    return _ended(follow(client, accepted["task_id"]), options)


def _list(seen: dict[str, Any], options: argparse.Namespace) -> int:
    if options.json:
        say(json.dumps(seen))
        return 0
    line = "{:>7}  {:<10} {:<28} {:<16}  {:<19}  {}"
    say(line.format("count", "service", "handler", "fingerprint", "last failed", "error"))
    for each in seen["items"]:
        last = each["last_failed"][:19]
        names = (each["service"], each["handler"][:28], each["fingerprint"][:16])
        say(line.format(each["count"], *names, last, each["sample"]["error"]))
    say(f"{seen['count']} open failures")
    return 0


def _show(failure: dict[str, Any], options: argparse.Namespace) -> int:
    if options.json:
        say(json.dumps(failure))
    else:
        for name, value in failure.items():
            say(f"{name:<16} {'-' if value is None else value}")
    return 0


def _ended(task: dict[str, Any], options: argparse.Namespace) -> int:
    """Say what came of a retry."""
    if options.json:
        say(json.dumps(task))
    else:
        counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in task["result"].items() if count)
        say(f"{task['state']}: {counts}")
        if task["error"]:
            complain(task["error"])
    return 0 if task["state"] == "succeeded" else FAILED

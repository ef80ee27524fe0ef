"""`schoolconnect log`: list events of the log, show what followed from one, show how far the log reaches."""

import argparse
import json
from typing import Any

import httpx

from cli.operations.operator_api import ask
from cli.terminal import complain, say

FILTERS = ("since", "until", "type", "school", "subject", "correlation_id", "after", "limit")


def add(verb: argparse.ArgumentParser) -> None:
    """Add the verbs of the log to the command."""
    verbs = verb.add_subparsers(required=True, dest="action", metavar="VERB")
    for name, text in (
        ("list", "list events, oldest first, by default of the last 24 hours"),
        ("tree", "show an event with what followed from it"),
        ("streams", "show how far the log reaches, and which projections it could make again"),
    ):
        added = verbs.add_parser(name, help=text, description=text)
        added.add_argument("--json", action="store_true", help="print the answer as JSON")
        added.add_argument("--gateway", default="", help="URL of the gateway (default: the local stack's)")
        if name == "tree":
            added.add_argument("event", help="id of the event")
        if name == "list":
            for filter_ in FILTERS:
                added.add_argument(f"--{filter_.replace('_', '-')}")


def run(options: argparse.Namespace, client: httpx.Client) -> int:
    """Run one verb and return its exit code. Raises Refused with what the gateway says."""
    if options.action == "streams":
        answer = ask(client, "GET", "/v1/log/streams")
    elif options.action == "tree":
        answer = ask(client, "GET", f"/v1/log/{options.event}/tree")
    else:
        chosen = {name: getattr(options, name) for name in FILTERS if getattr(options, name) is not None}
        answer = ask(client, "GET", "/v1/log", params=chosen)
    if options.json:
        say(json.dumps(answer))
    else:
        SHOWS[options.action](answer)
    return 0


def _list(page: dict[str, Any]) -> None:
    line = "{:<19}  {:<24} {:<10} {:<36}  {}"
    say(line.format("time", "type", "source", "id", "subject"))
    for each in page["items"]:
        say(line.format(each["time"][:19], each["type"], each["source"], each["id"], each["subject"]))
    if page["next"]:
        say(f"more: --after {page['next']}")
    if not page["complete"]:
        complain(f"ended at its limits after {page['looked_at']} events; go on with --after")


def _tree(found: dict[str, Any]) -> None:
    _node(found["tree"], 0)
    if not found["complete"]:
        complain(f"ended at its limits after {found['looked_at']} events: more may have followed")


def _node(node: dict[str, Any], depth: int) -> None:
    way = " (through work)" if node["indirect"] else ""
    say(f"{'  ' * depth}{node['time'][:19]}  {node['type']}  {node['source']}  {node['id']}{way}")
    for child in node["children"]:
        _node(child, depth + 1)


def _streams(found: dict[str, Any]) -> None:
    line = "{:<22} {:>10}  {:<19}  {:<19}  {}"
    say(line.format("stream", "events", "first", "last", "older events"))
    for each in found["streams"]:
        first, last = (each["first_time"] or "-")[:19], (each["last_time"] or "-")[:19]
        say(line.format(each["stream"], each["events"], first, last, "removed" if each["lost"] else "none"))
    for each in found["projections"]:
        say(f"{each['service']}.{each['projection']}: rebuild {each['rebuild'].replace('_', ' ')}")


SHOWS = {"list": _list, "tree": _tree, "streams": _streams}

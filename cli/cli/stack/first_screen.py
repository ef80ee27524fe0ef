"""The first screen: where everything is, who may sign in, something to copy, and that it adds up."""

import json
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
from psycopg.rows import dict_row

from cli.demo import player
from cli.demo.client import DemoFailed
from cli.demo.school import SCHOOLS
from cli.demo.stack import Stack as DemoStack
from cli.layout import Layout, write_private
from cli.operations import tokens
from cli.processes.keys import SIGNING
from cli.terminal import say

# What follows up on a must-reach send, and what was cancelled before it was heard of, nobody has asked for.
COUNTS = """
SELECT (SELECT count(*) FROM gateway.intent) AS intents,
       (SELECT count(*) FROM notifier.notification WHERE escalates IS NULL AND NOT tombstone) AS received,
       (SELECT count(*) FROM notifier.delivery) AS planned,
       (SELECT count(*) FROM notifier.delivery WHERE state IN ('accepted', 'read')) AS accepted,
       (SELECT count(*) FROM notifier.delivery WHERE state = 'suppressed') AS suppressed,
       (SELECT count(*) FROM notifier.delivery WHERE state IN ('failed', 'unknown', 'expired', 'cancelled')) AS ended,
       (SELECT count(*) FROM notifier.delivery WHERE state IN ('pending', 'sending', 'held')) AS still_open
"""


def demo_stack(layout: Layout, contract: dict[str, Any]) -> DemoStack:
    """The stack as the demo knows it."""
    key = layout.secrets / SIGNING
    return DemoStack(
        gateway=contract["gateway"],
        token=lambda role: tokens.make(key, role),  # type: ignore[arg-type]  # the demo names a role of ours
        fcm=contract["fcm"],
        fcm_ca=contract["fcm_ca"],
        mail=contract["mail"],
    )


def first_run(layout: Layout, contract: dict[str, Any]) -> None:
    """Import the demo school and send one bulk notification, once in a stack's life."""
    if layout.welcomed.exists():
        return
    try:
        line, made = player.first_run(demo_stack(layout, contract))
    except (DemoFailed, httpx.HTTPError) as problem:
        say(f"The demo school could not be imported ({problem}); the system runs without it.")
        return
    write_private(layout.welcomed, json.dumps({"counters": line, "accounts": [asdict(each) for each in made]}).encode())


def counters(contract: dict[str, Any]) -> str:
    """One line that reconciles: planned = accepted + suppressed + ended otherwise + still open."""
    with psycopg.connect(contract["postgres"], row_factory=dict_row, connect_timeout=5) as connection:
        row = connection.execute(COUNTS).fetchone() or {}
    parts = row["accepted"] + row["suppressed"] + row["ended"] + row["still_open"]
    verdict = "reconciles" if parts == row["planned"] and row["received"] <= row["intents"] else "DOES NOT RECONCILE"
    return (
        f"{row['intents']} notifications accepted, {row['planned']} deliveries planned = {row['accepted']} accepted"
        f" + {row['suppressed']} suppressed + {row['ended']} ended otherwise + {row['still_open']} open: {verdict}"
    )


def _broker(contract: dict[str, Any]) -> str:
    # Whatever is printed ends in scrollback and logs: the password stays in stack.json, which only its owner reads.
    # A broker given by AMQP_URL has a page of its own, which it did not name.
    page = urlsplit(contract["rabbitmq_management"])
    if not page.hostname:
        return ""
    return f"  broker    {page.scheme}://{page.hostname}:{page.port}/            (sign-in in .local/stack.json)\n"


def _sign_ins(layout: Layout, gateway: str) -> str:
    """Those that the first run made. They open made-up data on this machine, so they may be shown."""
    found = json.loads(layout.welcomed.read_text()).get("accounts", []) if layout.welcomed.exists() else []
    rows = [f"  {each['role']:<16} {each['name']:<22} {each['password']}" for each in found]
    return "\n".join([f"Sign in with name and password (POST {gateway}/v1/sessions):", *rows, "", ""]) if rows else ""


def screen(layout: Layout, contract: dict[str, Any]) -> str:
    """What is printed once everything is ready."""
    gateway, first = contract["gateway"], SCHOOLS[0].sourced_id
    return f"""
SchoolConnect is running.

  status    {gateway}/
  API docs  {gateway}/docs
  push      {contract["fcm"]}/            (stand-in for FCM; its certificate is this machine's own)
  mail      {contract["mail"]["http"]}/            (stand-in for a mail server)
{_broker(contract)}
{_sign_ins(layout, gateway)}A token for a shell, good for 15 minutes:
  make token ROLE=platform_admin
  make token ROLE=school_admin SCHOOL={first}          (or staff, teacher, guardian, student)

Tell a grade:
  curl -sS {gateway}/v1/notifications -H "Authorization: Bearer $(make -s token ROLE=platform_admin)" \\
    -H 'Content-Type: application/json' -H "Idempotency-Key: $(date +%s)" \\
    -d '{{"school": "{first}", "type": "general", "title": "Hello", "body": "To grade seven.",
         "audience": {{"grade": "07"}}}}'

{counters(contract)}
"""

"""Show the first screen: addresses, accounts, a command to copy, and counters that reconcile."""

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

# Not counted, because no request belongs to them: follow-ups of a must-reach send, and cancels that came before it.
COUNT_DELIVERIES = """
SELECT (SELECT count(*) FROM gateway.intent) AS intents,
       (SELECT count(*) FROM notifier.notification WHERE escalates IS NULL AND NOT tombstone) AS received,
       (SELECT count(*) FROM notifier.delivery) AS planned,
       (SELECT count(*) FROM notifier.delivery WHERE state IN ('accepted', 'read')) AS accepted,
       (SELECT count(*) FROM notifier.delivery WHERE state = 'suppressed') AS suppressed,
       (SELECT count(*) FROM notifier.delivery WHERE state IN ('failed', 'unknown', 'expired', 'cancelled')) AS ended,
       (SELECT count(*) FROM notifier.delivery WHERE state IN ('pending', 'sending', 'held')) AS still_open
"""


def demo_stack(layout: Layout, contract: dict[str, Any]) -> DemoStack:
    """Return what the demo needs to know of the stack."""
    key = layout.secrets / SIGNING
    return DemoStack(
        gateway=contract["gateway"],
        token=lambda role: tokens.make(key, role),
        person_token=lambda role, school: tokens.make_for_person(key, contract["gateway"], role, school),
        fcm=contract["fcm"],
        fcm_ca=contract["fcm_ca"],
        mail=contract["mail"],
    )


def first_run(layout: Layout, contract: dict[str, Any]) -> None:
    """Import the demo school and send one bulk notification, once for each stack."""
    if layout.welcomed.exists():
        return
    try:
        line, made = player.first_run(demo_stack(layout, contract))
    except (DemoFailed, httpx.HTTPError) as problem:
        say(f"The demo school could not be imported ({problem}). The system runs without it.")
        return
    write_private(layout.welcomed, json.dumps({"counters": line, "accounts": [asdict(each) for each in made]}).encode())


def counters(contract: dict[str, Any]) -> str:
    """Return one line of counters: planned = accepted + suppressed + ended otherwise + still open."""
    with psycopg.connect(contract["postgres"], row_factory=dict_row, connect_timeout=5) as connection:
        row = connection.execute(COUNT_DELIVERIES).fetchone() or {}
    parts = row["accepted"] + row["suppressed"] + row["ended"] + row["still_open"]
    verdict = "reconciles" if parts == row["planned"] and row["received"] <= row["intents"] else "DOES NOT RECONCILE"
    sums = (
        f"{row['planned']:,} planned = {row['accepted']:,} accepted + {row['suppressed']:,} suppressed"
        f" + {row['ended']:,} ended otherwise + {row['still_open']:,} open"
    )
    return f"Notifications accepted: {row['intents']:,}. Deliveries: {sums}: {verdict}"


def _broker(contract: dict[str, Any]) -> str:
    # No password here: what is printed stays in scrollback and logs; only its owner can read stack.json.
    # The management page of a broker given by AMQP_URL is unknown.
    page = urlsplit(contract["rabbitmq_management"])
    if not page.hostname:
        return ""
    return f"  broker    {page.scheme}://{page.hostname}:{page.port}/            (sign-in: .local/stack.json)\n"


def _sign_ins(layout: Layout, gateway: str) -> str:
    """List the accounts of the first run. They open made-up data on this machine, so their passwords may be shown."""
    found = json.loads(layout.welcomed.read_text()).get("accounts", []) if layout.welcomed.exists() else []
    rows = [f"  {each['role']:<16} {each['name']:<22} {each['password']}" for each in found]
    return (
        "\n".join(
            [f"Sign in to the console with name and password (programs: POST {gateway}/v1/sessions):", *rows, "", ""]
        )
        if rows
        else ""
    )


def screen(layout: Layout, contract: dict[str, Any]) -> str:
    """Return the text that is printed once everything is ready."""
    gateway, first = contract["gateway"], SCHOOLS[0].sourced_id
    return f"""
SchoolConnect is running.

  console   {gateway}/console
  API docs  {gateway}/docs
  metrics   {contract["operations"]["gateway"][0]}/metrics            (of the gateway; each service has such a port)
  push      {contract["fcm"]}/            (fake of FCM; its certificate is signed by this stack's own authority)
  mail      {contract["mail"]["http"]}/            (fake mail server)
{_broker(contract)}
{_sign_ins(layout, gateway)}Make a token for a shell, valid for 15 minutes:
  make token ROLE=platform_admin
  make token ROLE=school_admin SCHOOL={first}          (or staff, teacher, guardian, student)

Notify a grade:
  curl -sS {gateway}/v1/notifications -H "Authorization: Bearer $(make -s token ROLE=platform_admin)" \\
    -H 'Content-Type: application/json' -H "Idempotency-Key: $(date +%s)" \\
    -d '{{"school": "{first}", "type": "general", "title": "Hello", "body": "To grade seven.",
         "audience": {{"grade": "07"}}}}'

{counters(contract)}
"""

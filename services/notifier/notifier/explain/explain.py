"""Explains why a person did or did not receive a notification: one timeline from the intent to the reading."""

import datetime as dt
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from notifier.audience import sql as audience
from notifier.domain.reasons import OUTCOMES, describe_gap, describe_reason
from notifier.explain import sql
from shared.transactions.unit_of_work import UnitOfWork

Row = dict[str, Any]
TimelineEntry = dict[str, Any]
"""`at`, `what` (a code), `text` (a sentence), `channel` where there is one, and facts."""

VERDICTS = {"accepted": "sent", "read": "read", "unknown": "perhaps"}
"""State of a delivery that reached, or may have reached, the person → verdict."""
ENDED = ("failed", "suppressed", "cancelled", "expired")


async def explain(tx: UnitOfWork, notification_id: UUID, person: UUID) -> dict[str, Any] | None:
    """Return the verdict and the timeline for one person; None for a notification that this school does not have."""
    ids = {"notification_id": notification_id, "person": person}
    found = await tx.rows(sql.SELECT_NOTIFICATIONS, ids)
    if not found or found[0]["notification_id"] != notification_id:
        return None
    values = ids | {"notifications": [each["notification_id"] for each in found]}
    deliveries = await tx.rows(sql.SELECT_DELIVERIES, values)
    timeline = [
        *_intent_entries(found[0]),
        *_audience_entries(found[0], deliveries, await _gap(tx, found[0], person, deliveries)),
        *_step_entries(await tx.rows(sql.SELECT_STEPS, ids), person),
        *_attempt_entries(await tx.rows(sql.SELECT_ATTEMPTS, values)),
        *_delivery_entries(deliveries),
        *_inbox_entries(await tx.rows(sql.SELECT_INBOX_ITEMS, values)),
    ]
    timeline.sort(key=lambda entry: entry["at"])
    verdict, because = _verdict(found[0], deliveries, timeline)
    return {**ids, "verdict": verdict, "because": because, "timeline": timeline}


async def _gap(tx: UnitOfWork, notification: Row, person: UUID, deliveries: list[Row]) -> tuple[str | None, str] | None:
    """Return why the person is not in the audience, as a code (None: they are by now) and in words.

    None where a delivery was planned for them, or where no audience was ever planned.
    """
    never_planned = notification["state"] == "cancelled" and notification["planned"] == 0
    if deliveries or never_planned or notification["state"] in ("waiting", "failed"):
        return None
    found = await tx.row(audience.FIND_GAP, audience.values_of(notification) | {"person": person})
    assert found is not None
    return found["gap"], describe_gap(found["gap"], notification["audience"], found["roles"])


def _intent_entries(notification: Row) -> Iterator[TimelineEntry]:
    names = ("requested_by", "origin", "template", "template_version")
    facts = {name: notification[name] for name in names if notification[name]}
    yield _entry(notification["requested_at"], "asked", "it was requested", **facts)
    yield _entry(notification["received_at"], "received", "the notifier received it")
    if notification["retracted_at"]:
        text = "its record was corrected: pending deliveries were stopped"
        yield _entry(notification["retracted_at"], "corrected", text)
    if notification["error"]:
        yield _entry(notification["completed_at"], "failed", notification["error"])


def _audience_entries(
    notification: Row, deliveries: list[Row], gap: tuple[str | None, str] | None
) -> Iterator[TimelineEntry]:
    at = notification["received_at"]
    if deliveries:
        yield _entry(at, "in_audience", "the person is in the audience")
    if gap is not None:
        code, text = gap
        yield _entry(at, "not_in_audience", f"not in the audience: {text}", gap=code)


def _step_entries(rows: list[Row], person: UUID) -> Iterator[TimelineEntry]:
    for row in rows:
        about = {"about": row["about"]}
        if row["step"] != "first":
            text = f"it was not read in time: the person was asked as a further step ({row['step'].replace('_', ' ')})"
            yield _entry(row["asked_at"], "escalated", text, step=row["step"], **about)
        if row["state"] == "reached" and row["reached_by"] != person:
            yield _entry(row["ended_at"], "reached", "another person read it: no further person is asked", **about)


def _attempt_entries(rows: list[Row]) -> Iterator[TimelineEntry]:
    for row in rows:
        facts = {"channel": row["channel"], "attempt": row["number"]}
        yield _entry(row["started_at"], "called", "the provider was called", **facts)
        if row["ended_at"]:
            answer = {"outcome": row["outcome"]} | ({"answer": row["reason"]} if row["reason"] else {})
            text = OUTCOMES.get(row["outcome"], str(row["outcome"]))
            yield _entry(row["ended_at"], "answered", text, **facts, **answer)


def _delivery_entries(rows: list[Row]) -> Iterator[TimelineEntry]:
    for row in rows:
        facts = {"channel": row["channel"]} | ({"round": row["round"]} if row["round"] > 1 else {})
        if row["released_at"]:
            text = "quiet hours were over" + (": it became part of the morning digest" if row["digest"] else "")
            yield _entry(row["released_at"], "let_go", text, **facts)
        if row["state"] == "held":
            yield _entry(row["changed_at"], "held", describe_reason("quiet_hours"), until=row["due_at"], **facts)
        elif row["state"] == "pending" and row["attempts"]:
            yield _entry(row["changed_at"], "again", "it will be tried again", due_at=row["due_at"], **facts)
        elif row["state"] in ENDED:
            also = {"same_as": row["same_as"]} if row["same_as"] else {}
            text = describe_reason(row["reason"], row["outcome"]) or row["state"]
            yield _entry(row["changed_at"], row["state"], text, reason=row["reason"], **facts, **also)


def _inbox_entries(rows: list[Row]) -> Iterator[TimelineEntry]:
    texts = {
        "created_at": ("in_inbox", "it is in the person's inbox"),
        "read_at": ("read", "the person read it"),
        "acknowledged_at": ("acknowledged", "the person acknowledged it"),
        "withdrawn_at": ("withdrawn", "it was removed from the inbox unread: its record was corrected"),
    }
    for row in rows:
        for column, (what, text) in texts.items():
            if row[column]:
                yield _entry(row[column], what, text, channel="inbox")


def _verdict(notification: Row, deliveries: list[Row], timeline: list[TimelineEntry]) -> tuple[str, str]:
    """Return the verdict and a sentence; a delivery that reached the person counts more than one that did not."""
    entries = {entry["what"] for entry in timeline}
    if "read" in entries:
        return "read", "the person read it"
    reached = _reached(deliveries, withdrawn="withdrawn" in entries)
    if reached is not None:
        return reached
    if notification["state"] == "waiting" or any(row["state"] in ("pending", "held", "sending") for row in deliveries):
        return "open", "it is not finished yet"
    if notification["state"] in ("failed", "cancelled") and not deliveries:
        return "not_sent", notification["error"] or "it was cancelled before it was planned"
    last = [entry["text"] for entry in timeline if entry["what"] in (*ENDED, "not_in_audience", "withdrawn")]
    return "not_sent", "; ".join(dict.fromkeys(last)) or "nothing was sent"


def _reached(deliveries: list[Row], *, withdrawn: bool) -> tuple[str, str] | None:
    rows = [row for row in deliveries if row["state"] in VERDICTS and not (withdrawn and row["channel"] == "inbox")]
    for state, text in (("accepted", "sent by"), ("unknown", "no answer from")):
        channels = sorted({row["channel"] for row in rows if row["state"] == state})
        if channels:
            return VERDICTS[state], f"{text}: {', '.join(channels)}"
    return None


def _entry(at: dt.datetime, what: str, text: str, **facts: Any) -> TimelineEntry:
    return {"at": at, "what": what, "text": text, **facts}

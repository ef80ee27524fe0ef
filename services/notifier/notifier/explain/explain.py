"""Why did, or didn't, this person get it? One timeline from the event to the reading."""

import datetime as dt
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from notifier.domain.reasons import OUTCOMES, not_in_audience, sentence
from notifier.explain import sql as explain_sql
from shared.transactions.unit_of_work import UnitOfWork

Row = dict[str, Any]
Moment = dict[str, Any]
"""`at`, `what` (a code), `text` (a sentence), `channel` where there is one, and facts."""

TOLD = {"accepted": "told", "read": "read", "unknown": "perhaps"}
ENDED = ("failed", "suppressed", "cancelled", "expired")


async def explain(tx: UnitOfWork, notification_id: UUID, person: UUID) -> dict[str, Any] | None:
    """The answer for one person; None for a notification that this school does not have."""
    ids = {"notification_id": notification_id, "person": person}
    notices = await tx.rows(explain_sql.NOTICES, ids)
    if not notices or notices[0]["notification_id"] != notification_id:
        return None
    values = ids | {"notices": [notice["notification_id"] for notice in notices]}
    deliveries = await tx.rows(explain_sql.DELIVERIES, values)
    moments = [
        *_asked(notices[0]),
        *_audience(notices[0], deliveries, await _missing(tx, notices[0], person, deliveries)),
        *_steps(await tx.rows(explain_sql.STEPS, ids), person),
        *_attempts(await tx.rows(explain_sql.ATTEMPTS, values)),
        *_deliveries(deliveries),
        *_inbox(await tx.rows(explain_sql.ITEMS, values)),
    ]
    moments.sort(key=lambda moment: moment["at"])
    verdict, because = _verdict(notices[0], deliveries, moments)
    return {**ids, "verdict": verdict, "because": because, "timeline": moments}


async def _missing(tx: UnitOfWork, notice: Row, person: UUID, deliveries: list[Row]) -> list[str]:
    """Why the person is not among those who are meant; nothing where they are, or where nobody was planned."""
    never_planned = notice["state"] == "cancelled" and notice["planned"] == 0
    if deliveries or never_planned or notice["state"] in ("waiting", "failed"):
        return []
    audience = notice["audience"]
    values = {
        "person": person,
        "responsibility": audience.get("responsibility") or "any",
        "told": audience.get("told"),
        "except_told": audience.get("except_told"),
        "version": notice["origin_version"],
    }
    told = await tx.row(explain_sql.TOLD, values)
    assert told is not None
    facts = {
        "person_id": str(person),
        "roles": await tx.rows(explain_sql.ROLES, values),
        "students": await tx.rows(explain_sql.STUDENTS, values),
        "student": await tx.row(explain_sql.SELF, values),
        "first_only": "next_guardian" in ((notice["escalation"] or {}).get("steps") or ()),
        **told,
    }
    return not_in_audience(audience, facts, told["today"]) or ["they were not, when it was planned; they are by now"]


def _asked(notice: Row) -> Iterator[Moment]:
    about = {name: notice[name] for name in ("requested_by", "origin", "template", "template_version") if notice[name]}
    yield _moment(notice["requested_at"], "asked", "it was asked for", **about)
    yield _moment(notice["received_at"], "received", "the notifier took it up")
    if notice["retracted_at"]:
        yield _moment(notice["retracted_at"], "corrected", "its record was corrected: what was pending was stopped")
    if notice["error"]:
        yield _moment(notice["completed_at"], "failed", notice["error"])


def _audience(notice: Row, deliveries: list[Row], missing: list[str]) -> Iterator[Moment]:
    at = notice["received_at"]
    if deliveries:
        yield _moment(at, "in_audience", "the person is one of those who are meant")
    for why in missing:
        yield _moment(at, "not_in_audience", f"not in the audience: {why}")


def _steps(rows: list[Row], person: UUID) -> Iterator[Moment]:
    for row in rows:
        about = {"about": row["about"]}
        if row["step"] != "first":
            text = f"nobody had read it in time: asked as a further step ({row['step'].replace('_', ' ')})"
            yield _moment(row["asked_at"], "escalated", text, step=row["step"], **about)
        if row["state"] == "reached" and row["reached_by"] != person:
            yield _moment(row["ended_at"], "reached", "somebody else read it: nobody more is asked", **about)


def _attempts(rows: list[Row]) -> Iterator[Moment]:
    for row in rows:
        facts = {"channel": row["channel"], "attempt": row["number"]}
        yield _moment(row["started_at"], "called", "the provider was called", **facts)
        if row["ended_at"]:
            answer = {"outcome": row["outcome"]} | ({"answer": row["reason"]} if row["reason"] else {})
            text = OUTCOMES.get(row["outcome"], str(row["outcome"]))
            yield _moment(row["ended_at"], "answered", text, **facts, **answer)


def _deliveries(rows: list[Row]) -> Iterator[Moment]:
    for row in rows:
        facts = {"channel": row["channel"]} | ({"round": row["round"]} if row["round"] > 1 else {})
        if row["released_at"]:
            text = "quiet hours were over" + (": it went into the morning's digest" if row["digest"] else "")
            yield _moment(row["released_at"], "let_go", text, **facts)
        if row["state"] == "held":
            yield _moment(row["changed_at"], "held", sentence("quiet_hours"), until=row["due_at"], **facts)
        elif row["state"] == "pending" and row["attempts"]:
            yield _moment(row["changed_at"], "again", "it will be tried again", due_at=row["due_at"], **facts)
        elif row["state"] in ENDED:
            also = {"same_as": row["same_as"]} if row["same_as"] else {}
            text = sentence(row["reason"], row["outcome"]) or row["state"]
            yield _moment(row["changed_at"], row["state"], text, reason=row["reason"], **facts, **also)


def _inbox(rows: list[Row]) -> Iterator[Moment]:
    texts = {
        "created_at": ("in_inbox", "it is in the person's inbox"),
        "read_at": ("read", "the person read it"),
        "acknowledged_at": ("acknowledged", "the person acknowledged it"),
        "withdrawn_at": ("withdrawn", "it was taken out of the inbox unread: its record was corrected"),
    }
    for row in rows:
        for column, (what, text) in texts.items():
            if row[column]:
                yield _moment(row[column], what, text, channel="inbox")


def _verdict(notice: Row, deliveries: list[Row], moments: list[Moment]) -> tuple[str, str]:
    """The answer in a word and a sentence; what reached the person weighs more than what did not."""
    whats = {moment["what"] for moment in moments}
    withdrawn = "withdrawn" in whats
    reached = [row for row in deliveries if row["state"] in TOLD and not (withdrawn and row["channel"] == "inbox")]
    if "read" in whats:
        return "read", "the person read it"
    for state in ("accepted", "unknown"):
        channels = sorted({row["channel"] for row in reached if row["state"] == state})
        if channels:
            return TOLD[state], f"{'given to' if state == 'accepted' else 'no answer from'}: {', '.join(channels)}"
    if notice["state"] == "waiting" or any(row["state"] in ("pending", "held", "sending") for row in deliveries):
        return "open", "it is still on its way"
    if notice["state"] in ("failed", "cancelled") and not deliveries:
        return "not_told", notice["error"] or "it was stopped before anybody was told"
    last = [moment["text"] for moment in moments if moment["what"] in (*ENDED, "not_in_audience", "withdrawn")]
    return "not_told", "; ".join(dict.fromkeys(last)) or "nothing was sent"


def _moment(at: dt.datetime, what: str, text: str, **facts: Any) -> Moment:
    return {"at": at, "what": what, "text": text, **facts}

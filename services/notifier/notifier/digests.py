"""One morning digest from the items of a person, channel and address that quiet hours held."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from notifier import composing
from notifier.batch import Unit
from notifier.domain import Tries
from notifier.templates import Template
from notifier.wording import Unrenderable

log = structlog.get_logger()

MOST_NAMED = 50

NAME = "digest"
MANY_KINDS = "all"
"""Unsubscribing from a digest of several kinds is unsubscribing from them all."""


def units(
    rows: Iterable[Mapping[str, Any]], notifications: Mapping[UUID, Mapping[str, Any]], template: Template
) -> list[Unit]:
    """One unit for each digest among claimed rows; what is left alone in its digest goes out as itself."""
    groups: dict[UUID, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["digest"]].append(row)
    return [_unit(group, notifications, template, nth) for nth, group in enumerate(groups.values())]


def _unit(
    rows: Sequence[Mapping[str, Any]], notifications: Mapping[UUID, Mapping[str, Any]], template: Template, turn: int
) -> Unit:
    first = rows[0]
    tries = Tries(max(row["attempts"] for row in rows), max(row["silent"] for row in rows))
    ids = tuple(row["delivery_id"] for row in rows)
    items = [notifications[row["notification_id"]] for row in rows]
    if len(items) == 1:
        return Unit(items[0], first, ids, tries, turn)
    # Number 0: a repeat has the same Message-ID even where one of its items has been stopped meanwhile.
    return Unit(compose(items, first, template), {**first, "delivery_id": 0}, ids, tries, turn)


def compose(items: Sequence[Mapping[str, Any]], delivery: Mapping[str, Any], template: Template) -> dict[str, Any]:
    """A notification that stands for several; a locked screen shows no more of each than it would by itself."""
    kinds = {item["kind"] for item in items}
    expiries = [item["expires_at"] for item in items]
    said = [composing.words_for(item, delivery) for item in items]
    language = delivery["language"] or items[0]["school_language"] or "en"
    spoken, title, body = _words(items, [f"{each.title}\n{each.body}" for each in said], language, template)
    screen = "\n".join(": ".join(composing.shown(item, delivery)) for item in items)
    words = {"title": title, "body": body, "html": None, "push_title": title, "push_body": screen, "spoken": spoken}
    return {
        **items[0],
        "notification_id": delivery["digest"],
        "kind": kinds.pop() if len(kinds) == 1 else MANY_KINDS,
        "words": {delivery["language"]: words},
        "mute_details": False,
        "data": {"digest": ",".join(str(item["notification_id"]) for item in items[:MOST_NAMED])},
        "expires_at": None if None in expiries else max(expiries),
        "urgent": False,
    }


def _words(
    items: Sequence[Mapping[str, Any]], parts: Sequence[str], language: str, template: Template
) -> tuple[str, str, str]:
    """Language, title and body. What a school's own template cannot hold goes out without it: nothing is lost."""
    school = items[0]["school_name"] or ""
    text = "\n\n".join(parts)
    variables = {"school": school, "count": str(len(items)), "items": text}
    try:
        spoken, words = template.say(language, items[0]["school_language"] or "en", "UTC", variables)
    except Unrenderable as problem:
        log.warning("digest.not_rendered", problem=str(problem))
        return language, school or items[0]["title"], text
    return spoken, words.title, words.body

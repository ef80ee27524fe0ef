"""One morning digest from the items of a person, channel and address that quiet hours held."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

import structlog

from notifier.content import message_builder
from notifier.content.template_engine import Unrenderable
from notifier.content.templates import Template
from notifier.sending.batch import Unit, tries_of

log = structlog.get_logger()

MOST_NAMED = 50

NAME = "digest"
MANY_KINDS = "all"
"""Unsubscribing from a digest of several kinds is unsubscribing from them all."""


def units(
    rows: Iterable[Mapping[str, Any]], notifications: Mapping[UUID, Mapping[str, Any]], template: Template
) -> list[Unit]:
    """One unit for each digest among claimed rows."""
    groups: dict[UUID, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["digest"]].append(row)
    return [_unit(group, notifications, template, nth) for nth, group in enumerate(groups.values())]


def _unit(
    rows: Sequence[Mapping[str, Any]], notifications: Mapping[UUID, Mapping[str, Any]], template: Template, turn: int
) -> Unit:
    first = rows[0]
    ids = tuple(row["delivery_id"] for row in rows)
    items = [notifications[row["notification_id"]] for row in rows]
    # A digest stays the one that it is, under number 0: a repeat replaces what may have arrived before, even where all
    # but one of its items have been stopped meanwhile.
    return Unit(compose(items, first, template), {**first, "delivery_id": 0}, ids, tries_of(rows), turn)


def compose(items: Sequence[Mapping[str, Any]], delivery: Mapping[str, Any], template: Template) -> dict[str, Any]:
    """A notification that stands for several; a locked screen shows no more of each than it would by itself.

    The last one that is left of several reads as it would by itself.
    """
    kinds = {item["kind"] for item in items}
    expiries = [item["expires_at"] for item in items]
    words = _alone(items[0], delivery) if len(items) == 1 else _together(items, delivery, template)
    return {
        **items[0],
        "notification_id": delivery["digest"],
        "kind": kinds.pop() if len(kinds) == 1 else MANY_KINDS,
        "words": {delivery["language"]: words},
        "mute_details": False,
        "data": {
            **(items[0]["data"] if len(items) == 1 else {}),
            "digest": ",".join(str(item["notification_id"]) for item in items[:MOST_NAMED]),
        },
        "expires_at": None if None in expiries else max(expiries),
        "urgent": False,
    }


def _alone(item: Mapping[str, Any], delivery: Mapping[str, Any]) -> dict[str, str | None]:
    said = message_builder.words_for(item, delivery)
    title, body = message_builder.shown(item, delivery)
    return {**asdict(said), "push_title": title, "push_body": body, "spoken": said.language}


def _together(
    items: Sequence[Mapping[str, Any]], delivery: Mapping[str, Any], template: Template
) -> dict[str, str | None]:
    said = [message_builder.words_for(item, delivery) for item in items]
    language = delivery["language"] or items[0]["school_language"] or "en"
    spoken, title, body = _words(items, [f"{each.title}\n{each.body}" for each in said], language, template)
    screen = "\n".join(": ".join(message_builder.shown(item, delivery)) for item in items)
    return {"title": title, "body": body, "html": None, "push_title": title, "push_body": screen, "spoken": spoken}


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

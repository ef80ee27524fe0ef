"""Builds one morning digest from the items of a person, channel and address that quiet hours held."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

import structlog

from notifier.content import message_builder
from notifier.content.template_engine import RenderedContent, Unrenderable
from notifier.content.templates import Template
from notifier.content.unsubscribe_links import ALL_KINDS
from notifier.sending.outcomes import Call, attempts_of

log = structlog.get_logger()

MAX_NAMED = 50
"""Items whose ids a push carries."""
TEMPLATE_NAME = "digest"


def calls_of(
    rows: Iterable[Mapping[str, Any]], notifications: Mapping[UUID, Mapping[str, Any]], template: Template
) -> list[Call]:
    """Return one call for each digest among claimed rows."""
    groups: dict[UUID, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["digest"]].append(row)
    return [_call(group, notifications, template, nth) for nth, group in enumerate(groups.values())]


def _call(
    rows: Sequence[Mapping[str, Any]],
    notifications: Mapping[UUID, Mapping[str, Any]],
    template: Template,
    priority: int,
) -> Call:
    first = rows[0]
    ids = tuple(row["delivery_id"] for row in rows)
    items = [notifications[row["notification_id"]] for row in rows]
    # A digest keeps its identity, with delivery number 0: a repeat replaces what may have arrived before, even where
    # all but one of its items have been cancelled meanwhile.
    return Call(build_digest(items, first, template), {**first, "delivery_id": 0}, ids, attempts_of(rows), priority)


def build_digest(items: Sequence[Mapping[str, Any]], delivery: Mapping[str, Any], template: Template) -> dict[str, Any]:
    """Return a notification that stands for several; a lock screen shows no more of each than it would alone.

    The last item that is left of several reads as it would alone.
    """
    kinds = {item["kind"] for item in items}
    expiries = [item["expires_at"] for item in items]
    content = _alone(items[0], delivery) if len(items) == 1 else _together(items, delivery, template)
    return {
        **items[0],
        "notification_id": delivery["digest"],
        "kind": kinds.pop() if len(kinds) == 1 else ALL_KINDS,
        "content": {delivery["language"]: asdict(content)},
        "mute_details": False,
        "data": {
            **(items[0]["data"] if len(items) == 1 else {}),
            "digest": ",".join(str(item["notification_id"]) for item in items[:MAX_NAMED]),
        },
        "expires_at": None if None in expiries else max(expiries),
        "urgent": False,
    }


def _alone(item: Mapping[str, Any], delivery: Mapping[str, Any]) -> RenderedContent:
    title, body = message_builder.lock_screen_text(item, delivery)
    return replace(message_builder.content_for(item, delivery), push_title=title, push_body=body)


def _together(items: Sequence[Mapping[str, Any]], delivery: Mapping[str, Any], template: Template) -> RenderedContent:
    contents = [message_builder.content_for(item, delivery) for item in items]
    language = delivery["language"] or items[0]["school_language"] or "en"
    rendered = _rendered(items, [f"{each.title}\n{each.body}" for each in contents], language, template)
    push_body = "\n".join(": ".join(message_builder.lock_screen_text(item, delivery)) for item in items)
    return replace(rendered, html=None, push_title=rendered.title, push_body=push_body)


def _rendered(
    items: Sequence[Mapping[str, Any]], parts: Sequence[str], language: str, template: Template
) -> RenderedContent:
    """Render the school's template; items that do not fit into it are sent without it, so that nothing is lost."""
    school = items[0]["school_name"] or ""
    text = "\n\n".join(parts)
    variables = {"school": school, "count": str(len(items)), "items": text}
    try:
        return template.render(language, items[0]["school_language"] or "en", "UTC", variables)
    except Unrenderable as problem:
        log.warning("digest.not_rendered", problem=str(problem))
        title = school or items[0]["title"]
        return RenderedContent(title, text, title, text, language=language)

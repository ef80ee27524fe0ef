"""Built-in templates of every school: their texts are in `texts/`, one file a language."""

import tomllib
from functools import cache
from importlib import resources

from notifier.content.template_engine import Texts, languages
from shared.events.notifications import ADDRESS_REMOVED

COMMON_VARIABLES = ("school",)
"""Every template may use these; the notifier sets them."""
VARIABLES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("absence", "absence_changed", "absence_withdrawn"), ("student", "day", "period", "status", "reason")
    ),
    **dict.fromkeys(
        ("payment_due", "payment_received", "payment_changed", "payment_withdrawn"),
        ("student", "amount", "currency", "status", "due_on", "paid_on", "purpose"),
    ),
    **dict.fromkeys(
        ("behavior", "behavior_changed", "behavior_withdrawn"),
        ("student", "day", "category", "severity", "description"),
    ),
    "report_ready": ("report", "period"),
    ADDRESS_REMOVED: ("addresses",),
    "digest": ("count", "items"),
}
"""The variables that the sender of each template gives: always all of them, empty where there is no value."""
SAMPLE_VARIABLES = {
    "school": "Hill School (demo)",
    "student": "Ada",
    "day": "2026-11-25",
    "period": "1",
    "status": "absent",
    "reason": "dentist",
    "amount": "1250.50",
    "currency": "EUR",
    "due_on": "2026-12-01",
    "paid_on": "2026-11-25",
    "purpose": "School trip",
    "category": "Homework",
    "severity": "minor",
    "description": "The homework was missing twice this week.",
    "report": "Monthly report",
    "addresses": "ada@example.org",
    "count": "3",
    "items": "Trip on Friday\nLunch menu\nChoir practice",
}
"""Invented values for previews."""


@cache
def _texts() -> dict[str, dict[str, dict[str, str]]]:
    """Return language → name → part → text."""
    folder = resources.files("notifier.content") / "texts"
    return {
        item.name.removesuffix(".toml"): tomllib.loads(item.read_text(encoding="utf-8"))
        for item in folder.iterdir()
        if item.name.endswith(".toml")
    }


@cache
def texts(name: str) -> dict[str, Texts]:
    """Return language → texts of one template; nothing for an unknown template."""
    if name not in VARIABLES:
        return {}
    return {
        language: Texts(**{part: text.strip() for part, text in found[name].items()})
        for language, found in _texts().items()
    }


def neutral_text(kind: str, asked: str | None, school: str) -> str | None:
    """Return what a push of a sensitive kind shows instead of its content; None for other kinds."""
    for language in languages(asked, school):
        text = _texts().get(language, {}).get("neutral", {}).get(kind)
        if text is not None:
            return text
    return None

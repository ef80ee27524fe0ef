"""The templates that every school has: their words are in `texts/`, a file for each language."""

import tomllib
from functools import cache
from importlib import resources

from notifier.content.template_engine import Texts, languages

VERSION = 1
"""Counts up with every change of the words; a school's own versions begin at 1 and are counted apart."""
COMMON = ("school",)
"""Every template may use these; the notifier fills them in."""
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
    "digest": ("count", "items"),
}
"""What the sender of each gives, always all of it, empty where there is nothing to say."""
SAMPLE = {
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
    "count": "3",
    "items": "Trip on Friday\nLunch menu\nChoir practice",
}
"""Made up, for previews."""


@cache
def _texts() -> dict[str, dict[str, dict[str, str]]]:
    """Language → name → part → words."""
    folder = resources.files("notifier.content") / "texts"
    return {
        item.name.removesuffix(".toml"): tomllib.loads(item.read_text(encoding="utf-8"))
        for item in folder.iterdir()
        if item.name.endswith(".toml")
    }


@cache
def texts(name: str) -> dict[str, Texts]:
    """Language → texts of one template; empty where there is no such template."""
    if name not in VARIABLES:
        return {}
    return {
        language: Texts(**{part: words.strip() for part, words in found[name].items()})
        for language, found in _texts().items()
    }


def neutral(kind: str, asked: str | None, school: str) -> str | None:
    """What a push of a sensitive kind says instead of its words; None for kinds that are not."""
    for language in languages(asked, school):
        words = _texts().get(language, {}).get("neutral", {}).get(kind)
        if words is not None:
            return words
    return None

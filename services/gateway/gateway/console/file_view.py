"""What a page shows of one file: its fields with their places, its doubts in words, its addresses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.console.file_fields import COLUMNS, EXPECTED, PREFIXES, REASONS, field_name
from gateway.console.page import Page

SURE = 0.9
"""From this confidence on, a value is shown without a doubt."""


@dataclass(frozen=True, slots=True)
class ShownValue:
    """One value of a form: its name, what was read, and what a person typed instead."""

    name: str
    label: str
    value: str
    read: str
    doubtful: bool
    page: int | None = None
    box: Mapping[str, float] | None = None


def values_of(page: Page, file: Mapping[str, Any], typed: Mapping[str, str]) -> list[ShownValue]:
    """Return the fields that were read, and those that a record needs."""
    read = file.get("fields") or {}
    names = list(dict.fromkeys([*EXPECTED.get(file["kind"], ()), *read]))
    return [_shown(page, name, read.get(name), typed.get(name)) for name in names]


def rows_of(
    page: Page, file: Mapping[str, Any], typed: list[dict[str, str]] | None
) -> tuple[list[tuple[str, str]], list[list[ShownValue]]]:
    """Return the columns with their labels, and the rows of values."""
    read: list[Mapping[str, Any]] = file.get("rows") or []
    names = list(dict.fromkeys([*COLUMNS.get(file["kind"], ()), *(name for row in read for name in row)]))
    count = len(read) if typed is None else len(typed)
    rows = []
    for nth in range(count):
        source = read[nth] if nth < len(read) else {}
        given = typed[nth] if typed is not None else {}
        rows.append([_shown(page, name, source.get(name), given.get(name)) for name in names])
    return [(name, page.text(field_name(name))) for name in names], rows


def reasons_of(page: Page, codes: list[str]) -> list[str]:
    """Return in words why a person has to look at a file."""
    return [_reason(page, code) for code in codes]


def _shown(page: Page, name: str, field: Mapping[str, Any] | None, typed: str | None) -> ShownValue:
    read = (field or {}).get("value") or ""
    value = read if typed is None else typed
    doubtful = field is not None and field["confidence"] < SURE
    label = page.text(field_name(name))
    if field is None:
        return ShownValue(name, label, value, read, doubtful)
    return ShownValue(name, label, value, read, doubtful, field.get("page"), field.get("box"))


def _reason(page: Page, code: str) -> str:
    if code in REASONS:
        return page.text(REASONS[code])
    for prefix, text in PREFIXES.items():
        if code.startswith(prefix):
            return page.text(text) % {"field": page.text(field_name(code.removeprefix(prefix)))}
    return code.replace("_", " ")

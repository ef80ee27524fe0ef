"""Print facts as the people of a country do: amounts, dates, and the words of a form."""

import datetime as dt
import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal

WORDS = Path(__file__).with_name("words.json")
MONEY = frozenset({"amount", "discount", "unit_price", "net", "tax_amount"})


def printed(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts as texts, with the words of the form (`words`) and the total in several writings.

    `date_format` is a format of babel (short, medium, long) or a pattern such as "dd.MM.yyyy"; the default is medium.
    """
    locale = Locale.parse(f"{facts['language']}_{facts['country']}")
    texts = _texts(facts, locale)
    words = _words()[facts["language"]]
    if "amount" in facts:
        texts |= _totals(facts, locale)
    texts["category_text"] = words["categories"][facts["category"]] if facts.get("category") else ""
    texts["severity_text"] = words["severities"][facts["severity"]] if facts.get("severity") else ""
    if "date" in facts:
        day = dt.date.fromisoformat(facts["date"])
        texts["date"] = format_date(day, facts.get("date_format", "medium"), locale=locale)
    return texts | {"words": words}


def _texts(facts: dict[str, Any], locale: Locale) -> dict[str, Any]:
    return {key: _text(key, value, locale) for key, value in facts.items()}


def _text(key: str, value: Any, locale: Locale) -> Any:
    if isinstance(value, list):
        return [_texts(row, locale) if isinstance(row, dict) else row for row in value]
    return format_decimal(Decimal(value), "#,##0.00", locale=locale) if key in MONEY else value


def _totals(facts: dict[str, Any], locale: Locale) -> dict[str, str]:
    """Return the total with its currency, what of it is tax (prices include it), and the rest before a discount."""
    amount = Decimal(facts["amount"])
    rate = Decimal(facts.get("tax", "0"))
    tax = (amount * rate / (100 + rate)).quantize(Decimal("0.01"))

    def money(value: Decimal) -> str:
        return format_currency(value, facts["currency"], locale=locale)

    return {
        "total": money(amount),
        "tax_amount": money(tax),
        "net": money(amount - tax + Decimal(facts.get("discount", "0"))),
        "tax_rate": format_decimal(rate, locale=locale) + " %",
    }


@cache
def _words() -> dict[str, Any]:
    words: dict[str, Any] = json.loads(WORDS.read_text())
    return words

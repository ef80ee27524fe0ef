"""Receipts of tills as lines of text: what shops of several countries print, from a seed. All names are made up."""

import datetime as dt
import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

from babel.dates import format_datetime

DATA: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("tills.json").read_text())
STYLES: Final[tuple[str, ...]] = tuple(DATA["styles"])
CENT: Final = Decimal("0.01")
COIN: Final = Decimal("0.05")
CURRENCIES: Final = {"MY": "MYR", "SG": "SGD", "GB": "GBP", "US": "USD", "ES": "EUR"}
LANGUAGES: Final = {"ES": "es"}
MAX_ITEMS: Final = 6


def draw_till(style_name: str, before: dt.date, dice: Random) -> dict[str, Any]:
    """Return the facts of one receipt: its lines (`left|right`), and what they say."""
    style = DATA["styles"][style_name]
    country = style["country"]
    moment = dt.datetime.combine(before - dt.timedelta(days=dice.randint(1, 600)), dt.time(8), dt.UTC)
    moment += dt.timedelta(minutes=dice.randint(0, 780), seconds=dice.randint(0, 59))
    items = [_item(dice, name) for name in dice.sample(DATA["items"][country], dice.randint(1, style.get("items", 5)))]
    sums = _sums(style, items, dice)
    text = {name: _money(value, style) for name, value in sums.items()}
    merchant = dice.choice(DATA["merchants"][country])
    text |= {
        "registration": f"{dice.randint(100000, 999999)}-{dice.choice('HKWX')}",
        "reference": f"{dice.choice('ABT')}{dice.randint(100000, 999999)}",
        "count": str(len(items)),
        "weekday": moment.strftime("%a"),
        "date": _printed(moment, style["date"], style),
        "time": _printed(moment, style["time"], style),
    }
    return {
        "style": {"font": style["font"], "size": style["size"]},
        "lines": _lines(style, merchant, dice.choice(DATA["addresses"][country]), items, text),
        "language": LANGUAGES.get(country, "en"),
        "country": country,
        "currency": CURRENCIES[country],
        "merchant": merchant,
        "amount": str(sums["paid"]),
        "date": moment.date().isoformat(),
    }


def _item(dice: Random, name: str) -> dict[str, Any]:
    price = Decimal(dice.randint(90, dice.choice((900, 6000)))) * CENT
    return {"item": name, "quantity": dice.choice((1, 1, 2, 3)), "price": price, "code": dice.randint(10**12, 10**13)}


def _sums(style: dict[str, Any], items: list[dict[str, Any]], dice: Random) -> dict[str, Decimal]:
    """Return the amounts of a receipt, which follow from one another as tills calculate them."""
    subtotal = sum((item["price"] * item["quantity"] for item in items), Decimal(0))
    charge = _share(subtotal, style.get("charge", "0"))
    discount = _share(subtotal, style.get("discount", "0"))
    added = _share(subtotal + charge, style.get("added_tax", "0"))
    total = subtotal + charge - discount + added
    included = (total * Decimal(style.get("tax", "0")) / (100 + Decimal(style.get("tax", "0")))).quantize(CENT)
    paid = (total / COIN).quantize(Decimal(1), ROUND_HALF_UP) * COIN if "{paid}" in "".join(style["totals"]) else total
    cash = max(paid, Decimal(dice.choice((5, 10, 20, 50, 100, 200, 500))))
    return {
        "subtotal": subtotal, "charge": charge, "discount": discount, "tax": added or included, "total": total,
        "net": total - (added or included), "rounding": paid - total, "paid": paid, "cash": cash, "change": cash - paid,
        "tip18": _share(total, "18"), "tip20": _share(total, "20"),
    }  # fmt: skip


def _share(amount: Decimal, percent: str) -> Decimal:
    return (amount * Decimal(percent) / 100).quantize(CENT, ROUND_HALF_UP)


def _money(value: Decimal, style: dict[str, Any]) -> str:
    text = f"{value:,.2f}"
    return text.translate(str.maketrans(",.", ".,")) if style.get("comma") else text


def _printed(moment: dt.datetime, pattern: str, style: dict[str, Any]) -> str:
    text = format_datetime(moment, pattern, locale="es" if style["country"] == "ES" else "en")
    return text.upper() if style.get("upper_date") else text


def _lines(
    style: dict[str, Any], merchant: str, address: list[str], items: list[dict[str, Any]], text: dict[str, str]
) -> list[list[str]]:
    """Return the lines as kind (`center`, `both`, `rule`), left and right part."""
    head = [line for part in style["head"] for line in (_name(style, merchant) if part == "{merchant}" else [part])]
    head = [line for part in head for line in (address if part == "{address}" else [part])]
    rows = [
        line.format(
            **item | {"sum": _money(item["price"] * item["quantity"], style), "price": _money(item["price"], style)}
        )
        for item in items
        for line in style["item"]
    ]
    top = [["center", line.format(**text), ""] for line in (*head, style["title"]) if line]
    body = [["both", *_halves(line.format(**text))] for line in style["meta"]]
    body += [["rule", "", ""], *(["both", *_halves(row)] for row in rows), ["rule", "", ""]]
    body += [["both", *_halves(line.format(**text))] for line in style["totals"]]
    return top + body + [["both" if "|" in line else "center", *_halves(line.format(**text))] for line in style["foot"]]


def _name(style: dict[str, Any], merchant: str) -> list[str]:
    """Return the merchant's lines: some tills print the legal form below the name."""
    name, middle, form = merchant.partition(" SDN")
    return [name, f"SDN{form}"] if style.get("two_lines") and middle else [merchant]


def _halves(line: str) -> tuple[str, str]:
    left, _, right = line.partition("|")
    return left, right

"""Facts of documents, drawn from a seed: made-up people and schools, whose names say so."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

from cli.demo.documents.maker import Kind

POOLS: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("pools.json").read_text())
UPLOADED_ON: Final = dt.date(2026, 11, 30)
"""The day on which all documents of the corpus are read: their dates lie within two years before it."""

GIVEN: Final = ("Aló", "Bela", "Çağlan", "Dorin", "Édi", "Fimo", "Gönna", "Ilora", "Jolan", "Kåre", "Łuzel", "Miñora")
CENT: Final = Decimal("0.01")
CREDITS: Final = ("2.0", "3.0", "4.0")
SEVERITIES: Final = ("low", "medium", "high")


def draw(kind: Kind, dice: Random, language: str | None = None) -> dict[str, Any]:
    """Return the facts of one document, as the maker of documents takes them; in one language, or in any."""
    place = dice.choice([place for place in POOLS["places"] if language in {None, place["language"]}])
    language = place["language"]
    family = dice.choice(POOLS["families"][language])
    facts = {key: place[key] for key in ("language", "country", "currency")} | {
        "student": f"{dice.choice(GIVEN)} {family}",
        "student_number": f"D-{dice.randrange(10000, 99999)}",
        "class": f"{dice.randint(1, 12)} {dice.choice('ABC')}",
        "school": dice.choice(POOLS["schools"][language]),
        "date": str(UPLOADED_ON - dt.timedelta(days=dice.randint(1, 600))),
        "date_format": dice.choice(place["dates"]),
    }
    if kind == "payment_receipt":
        return facts | _receipt(dice, place, family)
    if kind == "transcript":
        return facts | _transcript(dice, place)
    return facts | _incident(dice, language)


def _receipt(dice: Random, place: dict[str, Any], family: str) -> dict[str, Any]:
    language = place["language"]
    items = [_item(dice, name) for name in dice.sample(POOLS["items"][language], dice.randint(1, 4))]
    return {
        "merchant": dice.choice(POOLS["merchants"][language]),
        "address": POOLS["addresses"][language],
        "payer": f"{dice.choice(GIVEN)} {family}",
        "reference": f"{dice.choice('RBQ')}-{dice.randint(2024, 2026)}-{dice.randint(1, 9999):04}",
        "tax": place["tax"],
        "paid_by": dice.choice(POOLS["paid_by"][language]),
        "items": items,
        "amount": str(sum(Decimal(item["amount"]) for item in items)),
    }


def _item(dice: Random, description: str) -> dict[str, str]:
    quantity = dice.choice((1, 1, 1, 2, 3))
    price = Decimal(dice.randint(150, dice.choice((4000, 90000)))) * CENT
    return {
        "description": description,
        "quantity": str(quantity),
        "unit_price": str(price),
        "amount": str(price * quantity),
    }


def _transcript(dice: Random, place: dict[str, Any]) -> dict[str, Any]:
    language, scale = place["language"], place["grades"]
    rows = [
        {
            "subject": subject,
            "grade": dice.choice(POOLS["grades"][scale]),
            "earlier": dice.choice(POOLS["grades"][scale]),
            "credits": dice.choice(CREDITS),
            "remark": dice.choice(POOLS["remarks"][language]),
        }
        for subject in dice.sample(POOLS["subjects"][language], dice.randint(6, 16))
    ]
    return {
        "period": dice.choice(POOLS["periods"][language]),
        "rows": rows,
        "credits": str(sum(Decimal(row["credits"]) for row in rows)),
        "scale": POOLS["scales"][scale],
    }


def _incident(dice: Random, language: str) -> dict[str, Any]:
    category, description = dice.choice(sorted(POOLS["incidents"][language].items()))
    return {
        "reporter": f"{dice.choice(GIVEN)} {dice.choice(POOLS['families'][language])}",
        "category": category,
        "severity": None if category == "positive" else dice.choice(SEVERITIES),
        "description": description,
        "action": dice.choice(POOLS["actions"][language]),
    }

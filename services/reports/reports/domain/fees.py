"""What moved the money of payments: each is charged, received and refunded on days of their own."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from reports.domain.content import Money

MOVES = (
    ("charged", "charged_on", "charged"),
    ("discount", "charged_on", "discount"),
    ("received", "received_on", "charged"),
    ("refunded", "refunded_on", "refunded"),
)
"""Each movement of a payment, its day, and its amount. What is charged is without the discount."""


def movements(payment: Mapping[str, Any], since: dt.date, ends: dt.date) -> Iterator[tuple[dt.date, str, Decimal]]:
    """Yield day, status and amount of each movement from `since` on before `ends`.

    A payment is `due` there only while it is open at the end of the period; a cancelled one was charged nowhere.
    """
    cancelled = payment["status"] == "cancelled"
    received = payment["received_on"]
    is_open = not cancelled and (received is None or received >= ends)
    moved = (
        (payment["day"] if cancelled else None, "cancelled", payment["charged"]),
        (payment["charged_on"] if is_open else None, "due", payment["charged"]),
        (received, "received", payment["charged"]),
        (payment["refunded_on"], "refunded", payment["refunded"]),
    )
    for day, status, amount in moved:
        if day is not None and since <= day < ends:
            yield day, status, amount


def sums(payments: Iterable[Mapping[str, Any]], since: dt.date, starts: dt.date, ends: dt.date) -> dict[str, Money]:
    """Return currency → sums, of each in which money moved before `ends`.

    `payments` are those that are open at the end of the period or moved from `since` on; the others cancel out.
    """
    moved: dict[str, list[tuple[str, dt.date, Decimal]]] = {}
    for payment in payments:
        if payment["status"] == "cancelled":
            continue
        for kind, day, amount in MOVES:
            if payment[day] is not None and payment[day] < ends:
                moved.setdefault(payment["currency"], []).append((kind, payment[day], payment[amount] or Decimal(0)))

    def total(currency: str, name: str, first: dt.date, last: dt.date) -> Decimal:
        found = (amount for kind, day, amount in moved[currency] if kind == name and first <= day < last)
        return sum(found, Decimal(0))

    def money(currency: str) -> Money:
        charged, received = [total(currency, name, dt.date.min, ends) for name in ("charged", "received")]
        discount = total(currency, "discount", starts, ends)
        return Money(
            currency=currency,
            total=total(currency, "charged", starts, ends) + discount,
            discount=discount,
            paid=total(currency, "received", starts, ends),
            refunded=total(currency, "refunded", starts, ends),
            balance=charged - received,
            paid_before=total(currency, "received", since, starts),
        )

    return {currency: money(currency) for currency in moved}


def settled(currency: str) -> Money:
    """Return the sums of a currency in which nothing is open and nothing moved."""
    return Money(currency, *[Decimal(0)] * 6)

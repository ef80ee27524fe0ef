"""What moved the money of a payment: it is charged, received and refunded on days of their own."""

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any


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

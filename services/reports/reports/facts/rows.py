"""Rows of a batch as the parameter of a statement."""

from collections.abc import Iterable
from typing import Any

from shared.transactions.outbox import json_text
from shared.transactions.unit_of_work import UnitOfWork


async def add_rows(tx: UnitOfWork, statement: str, rows: Iterable[dict[str, Any]], *key: str) -> None:
    """Run a statement with `%(rows)s`; of rows with the same key only the one with the lowest offset is added.

    A batch may hold an event twice, and a statement cannot touch a row twice.
    """
    first: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        same = tuple(row[name] for name in key)
        if same not in first or row["log_offset"] < first[same]["log_offset"]:
            first[same] = row
    if first:
        await tx.execute(statement, {"rows": json_text(list(first.values()))})

"""Selects the rows that an import rejected."""

from pydantic import BaseModel
from sqlalchemy import BigInteger
from sqlmodel import col

from gateway.tables import ImportRejectionRow, ImportRejectionShown
from shared.persistence.query import Query, given, showing


class Rejection(ImportRejectionShown):
    """A row of a roster that could not be used, and why."""


class RejectionPage(BaseModel):
    """By number; pass `next` as `after` to go on."""

    items: list[Rejection]
    next: int | None


LIST_REJECTIONS = Query(
    Rejection,
    showing(Rejection, ImportRejectionRow)
    .where(
        col(ImportRejectionRow.task_id) == given("task"), col(ImportRejectionRow.number) > given("after", BigInteger)
    )
    .order_by(col(ImportRejectionRow.number))
    .limit(given("limit")),
)
"""Of an import, by number."""

"""What is read of devices and of the rows that an import rejected: the answers and the statements that select them."""

from pydantic import BaseModel
from sqlalchemy import BigInteger
from sqlmodel import col

from gateway.tables import DeviceRow, DeviceShown, ImportRejectionRow, ImportRejectionShown
from shared.persistence.query import Query, given, showing


class DeviceOut(DeviceShown):
    """An app installation of the caller's."""


class Rejection(ImportRejectionShown):
    """A row of a roster that could not be used, and why."""


class RejectionPage(BaseModel):
    """By number; pass `next` as `after` to go on."""

    items: list[Rejection]
    next: int | None


LIST_DEVICES = Query(
    DeviceOut,
    showing(DeviceOut, DeviceRow)
    .where(col(DeviceRow.person_id) == given("person"))
    .order_by(col(DeviceRow.registered_at)),
)
"""Of a person, the first that was registered first."""
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

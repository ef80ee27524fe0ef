"""Selects devices, and declares the answer that shows them."""

from sqlmodel import col

from gateway.tables import DeviceRow, DeviceShown
from shared.persistence.query import Query, given, showing


class DeviceOut(DeviceShown):
    """An app installation of the caller's."""


LIST_DEVICES = Query(
    DeviceOut,
    showing(DeviceOut, DeviceRow)
    .where(col(DeviceRow.person_id) == given("person"))
    .order_by(col(DeviceRow.registered_at)),
)
"""Of a person, the first that was registered first."""

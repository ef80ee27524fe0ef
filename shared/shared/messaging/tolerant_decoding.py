"""Makes pamqp tolerate values that other systems may send: an unreadable value stays bytes and closes no connection.

pamqp looks up its decoders by type in a table of its module. Three of them are replaced here, and the reader of message
properties. The length of a header value is read independently of its content (AMQP 0-9-1, section 4.2.5.5, with the
types of RabbitMQ). See decision 0023.
"""

import datetime as dt
import struct
from typing import Any

from pamqp import decode
from pamqp.commands import Basic

UNREADABLE = "unreadable"
SIZED = frozenset((b"S", b"A", b"F", b"x"))
SIZES = {
    b"t": 1, b"b": 1, b"B": 1, b"s": 2, b"u": 2, b"I": 4, b"i": 4, b"f": 4, b"D": 5,
    b"l": 8, b"L": 8, b"d": 8, b"T": 8, b"V": 0,
}  # fmt: skip
"""Value types and their length in bytes (rabbit_binary_parser). A type in SIZED has its length in four bytes."""

_long = struct.Struct(">I").unpack_from


MODES = (None, 1, 2)
"""Delivery modes that aio-pika accepts. RabbitMQ 4 lets others pass."""

_read_properties = Basic.Properties.unmarshal


def install() -> None:
    """Replace pamqp's decoders, for the whole process."""
    decode.METHODS |= {"shortstr": short_text, "timestamp": instant, "table": table}
    Basic.Properties.unmarshal = read_properties  # type: ignore[assignment,method-assign]


def read_properties(properties: Basic.Properties, flags: int, data: bytes) -> None:
    """Read the properties of a message, without values that aio-pika rejects."""
    _read_properties(properties, flags, data)
    if properties.delivery_mode not in MODES:
        properties.delivery_mode = None
    if not (properties.expiration or "0").isdecimal():
        properties.expiration = None


def short_text(value: bytes) -> tuple[int, str]:
    """Read a property or a routing key; bytes that are no text are replaced."""
    end = 1 + value[0]
    return end, value[1:end].decode(errors="replace")


def instant(value: bytes) -> tuple[int, dt.datetime | None]:
    """Read an instant of the properties; None if it is out of range."""
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError, OSError):
        return 8, None


def table(value: bytes) -> tuple[int, dict[str, Any]]:
    """Read headers; a name that is no text becomes UNREADABLE."""
    at, end = 4, 4 + _long(value)[0]
    headers: dict[str, Any] = {}
    while at < end:
        name_end = at + 1 + value[at]
        at, name = _extent(value, name_end), value[at + 1 : name_end]
        headers[_name(name)] = _value(value[name_end:at])
    return end, headers


def _name(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return UNREADABLE


def _extent(data: bytes, at: int) -> int:
    """Return where a value ends, independently of its content."""
    kind = data[at : at + 1]
    if kind in SIZED:
        size: int = _long(data, at + 1)[0]
        return at + 5 + size
    return at + 1 + SIZES[kind]


def _value(raw: bytes) -> Any:
    """Read a value as pamqp does; bytes if it cannot (a year 36,536,598, a nested name without text, deep tables)."""
    try:
        return decode.embedded_value(raw)[1]
    except (ValueError, OverflowError, OSError, RecursionError):
        return raw

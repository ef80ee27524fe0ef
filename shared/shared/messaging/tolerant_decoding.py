"""Makes pamqp read what others may send: a value without a meaning stays bytes, and no connection ends for it.

pamqp looks its decoders up by kind, in a table of its module; three of them are replaced here. A header's extent is
read apart from its meaning (AMQP 0-9-1, section 4.2.5.5, in the kinds that RabbitMQ writes). See docs/decisions/0023.
"""

import datetime as dt
import struct
from typing import Any

from pamqp import decode

UNREADABLE = "unreadable"
SIZED = frozenset((b"S", b"A", b"F", b"x"))
SIZES = {
    b"t": 1, b"b": 1, b"B": 1, b"s": 2, b"u": 2, b"I": 4, b"i": 4, b"f": 4, b"D": 5,
    b"l": 8, b"L": 8, b"d": 8, b"T": 8, b"V": 0,
}  # fmt: skip
"""Kinds of values and the bytes behind the kind's own (rabbit_binary_parser); sized ones say it in four bytes."""

_long = struct.Struct(">I").unpack_from


def install() -> None:
    """Replace pamqp's decoders, for the whole process."""
    decode.METHODS |= {"shortstr": short_text, "timestamp": instant, "table": table}


def short_text(value: bytes) -> tuple[int, str]:
    """Read a property or a routing key; what is no text is replaced sign by sign."""
    end = 1 + value[0]
    return end, value[1:end].decode(errors="replace")


def instant(value: bytes) -> tuple[int, dt.datetime | None]:
    """Read an instant among the properties; one after all time is none."""
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError, OSError):
        return 8, None


def table(value: bytes) -> tuple[int, dict[str, Any]]:
    """Read headers; a name that is no text is UNREADABLE."""
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
    """Where a value ends, whatever is in it."""
    kind = data[at : at + 1]
    if kind in SIZED:
        size: int = _long(data, at + 1)[0]
        return at + 5 + size
    return at + 1 + SIZES[kind]


def _value(raw: bytes) -> Any:
    """As pamqp reads it; bytes where it cannot (a year 36,536,598, a name within that is no text, tables too deep)."""
    try:
        return decode.embedded_value(raw)[1]
    except (ValueError, OverflowError, OSError, RecursionError):
        return raw

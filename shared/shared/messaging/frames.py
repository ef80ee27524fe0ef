"""A message as AMQP 0-9-1 frames. pamqp takes ten times as long for the same bytes, and a relay does little else.

Section 2.3.5 of the specification: a method frame, a content header with the properties that are set, body frames.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pamqp.frame
from pamqp import commands
from pamqp.encode import encode_table_value

BASIC = 60
CONTENT_TYPE, CONTENT_ENCODING, HEADERS, DELIVERY_MODE, MESSAGE_ID = 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 7
SET = CONTENT_TYPE | HEADERS | DELIVERY_MODE | MESSAGE_ID
JSON = b"\x10application/json"
PERSISTENT = b"\x02"
END = b"\xce"
MOST_BODY = 16 * 2**20
"""Bytes: RabbitMQ 4's `max_message_size`, above which it closes the channel on all that were sent with it."""

_frame = struct.Struct(">BHI").pack
_header = struct.Struct(">HHQH").pack
_long = struct.Struct(">I").pack


@dataclass(frozen=True, slots=True)
class Outbound:
    """A persistent JSON message to publish; unless `mandatory`, it may reach no queue at all."""

    exchange: str
    routing_key: str
    body: bytes
    headers: Mapping[str, Any]
    mandatory: bool = True


def publishing(channel: int, message: Outbound, identity: str, most: int) -> bytes:
    """The frames that publish a message under an id of less than 256 bytes; `most`: bytes of a body in one frame.

    Raises ValueError or TypeError for what cannot be written.
    """
    if len(message.body) > MOST_BODY:
        raise ValueError(f"a body of {len(message.body)} bytes")
    table = b"".join([_field(name, value) for name, value in message.headers.items()])
    body = message.body
    header = b"".join((_header(BASIC, 0, len(body), SET), JSON, _long(len(table)), table, PERSISTENT, _short(identity)))
    method = _method(channel, message.exchange, message.routing_key, message.mandatory)
    parts = [method, _frame(2, channel, len(header)), header, END]
    for start in range(0, len(body), most):
        piece = body[start : start + most]
        parts += (_frame(3, channel, len(piece)), piece, END)
    return b"".join(parts)


@lru_cache(maxsize=4096)
def _method(channel: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    method = commands.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory)
    return pamqp.frame.marshal(method, channel)


def _short(text: str) -> bytes:
    short = text.encode()
    return bytes((len(short),)) + short


_name = lru_cache(maxsize=1024)(_short)


def _field(name: str, value: Any) -> bytes:
    if isinstance(value, str):
        long = value.encode()
        return b"".join((_name(name), b"S", _long(len(long)), long))
    return _name(name) + encode_table_value(value)

"""Headers of messages: what others put into them is read without harm, and what is passed on can be written."""

from collections.abc import Mapping
from typing import Any

import structlog

log = structlog.get_logger()

ATTEMPT = "sc-attempt"
"""Header that counts failed attempts; the broker's own x-death is stripped on every republish."""

MOST_ATTEMPTS = 1_000_000
MOST_HEADERS = 32_000
"""Bytes: a frame holds 131,072, and the broker cuts the connection of whoever writes more."""
LONGEST_NAME = 128
"""Bytes of a header's name (AMQP 0-9-1, section 4.2.5.5); RabbitMQ lets 255 pass, pamqp would cut them."""


def carried(headers: Mapping[str, Any], without: tuple[str, ...] = ("x-",)) -> dict[str, str]:
    """Headers for publishing a message again: as texts, without the broker's own (an old `x-death` looks like a cycle).

    Others may have sent what cannot be written as it came; what would not fit into a frame beside ours is left behind,
    as is a name that is too long.
    """
    kept: dict[str, str] = {}
    room = MOST_HEADERS
    for name, value in headers.items():
        if name.startswith(without):
            continue
        text = str(value)
        size = len(name.encode()) + len(text.encode())
        if size > room or len(name.encode()) > LONGEST_NAME:
            log.warning("header.left_behind", header=name, bytes=size)
            continue
        room -= size
        kept[name] = text
    return kept


def number(headers: Mapping[str, Any], name: str) -> int:
    """A count in a header; 0 if it is none."""
    text = str(headers.get(name) or 0)[:19]
    return min(int(text), MOST_ATTEMPTS) if text.isascii() and text.isdigit() else 0

"""Names of our message headers, and safe reading and copying of headers from other systems."""

from collections.abc import Mapping
from typing import Any

import structlog

log = structlog.get_logger()

ATTEMPT = "sc-attempt"
"""Counts the failed attempts. Each republish removes the broker's own `x-death`."""
QUEUE = "sc-queue"
"""The queue of the consumer that failed."""
ERROR = "sc-error"
"""The description of the last error, without values of the message."""
FINGERPRINT = "sc-fingerprint"
"""Equal for equal faults of one consumer, so that failures can be grouped."""
LOG_OFFSET = "sc-log-offset"
"""The offset in its stream of an event that a projection has set aside."""
FIRST_FAILED = "sc-first-failed"
LAST_FAILED = "sc-last-failed"
"""Instants of the first and of the last failure (RFC 3339)."""

HANDLER_MICROSECONDS = "sc-handler-us"
"""In an event: how long the handler of its cause had run when it emitted the event. Only a reaction's."""
HANDLER_ATTEMPT = "sc-handler-attempt"
"""In an event: which attempt of its cause emitted it, if it was not the first."""

FAILURE = "sc-failure"
"""The number of the dead letter that an operator has returned to its queue. Its consumer reports what came of it."""
RETRY = "sc-retry"
"""The task of the retry in which an operator returned a dead letter, if it was one of many."""
OUTCOME = "sc-outcome"
"""Makes a message to the dead letters a report on a returned one: `done`, `duplicate` or `superseded`."""

MOST_ATTEMPTS = 1_000_000
MOST_HEADERS = 32_000
"""Bytes. A frame holds 131,072 bytes, and the broker closes the connection of a client that sends more."""
LONGEST_NAME = 128
"""Bytes of a header's name (AMQP 0-9-1, section 4.2.5.5). RabbitMQ accepts 255; pamqp would cut such a name."""


def copy_headers(headers: Mapping[str, Any], without: tuple[str, ...] = ("x-",)) -> dict[str, str]:
    """Copy headers as texts to publish a message again, without the broker's own.

    An old `x-death` looks like a cycle to the broker. Texts, because other systems may send values that cannot be
    written as they came. A header that would not fit into a frame together with ours, or whose name is too long, is
    dropped and logged.
    """
    kept: dict[str, str] = {}
    room = MOST_HEADERS
    for name, value in headers.items():
        if name.startswith(without):
            continue
        text = str(value)
        size = len(name.encode()) + len(text.encode())
        if size > room or len(name.encode()) > LONGEST_NAME:
            log.warning("header.dropped", header=name, bytes=size)
            continue
        room -= size
        kept[name] = text
    return kept


def read_count(headers: Mapping[str, Any], name: str) -> int:
    """Read a count from a header; 0 if the value is not a count."""
    return min(read_number(headers, name), MOST_ATTEMPTS)


def read_number(headers: Mapping[str, Any], name: str) -> int:
    """Read a number of up to 18 digits from a header; 0 if the value is none."""
    text = str(headers.get(name) or 0)[:18]
    return int(text) if text.isascii() and text.isdigit() else 0

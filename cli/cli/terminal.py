"""Print for people at a terminal."""

import sys
from contextlib import suppress
from typing import TextIO


def say(text: str) -> None:
    """Print lines on stdout and flush them."""
    _write(sys.stdout, text)


def complain(text: str) -> None:
    """Print lines on stderr and flush them."""
    _write(sys.stderr, text)


def _write(stream: TextIO, text: str) -> None:
    # When the terminal is gone (a closed pipe, a lost connection), the stack goes on and writes to its logs. The signal
    # that follows stops it in order.
    with suppress(OSError, ValueError):
        print(text, file=stream, flush=True)  # the only print of the command

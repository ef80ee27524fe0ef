"""What people read on their terminal."""

import sys
from contextlib import suppress
from typing import TextIO


def say(text: str) -> None:
    """One line (or several) on stdout, at once."""
    _write(sys.stdout, text)


def complain(text: str) -> None:
    """One line (or several) on stderr, at once."""
    _write(sys.stderr, text)


def _write(stream: TextIO, text: str) -> None:
    # Without a terminal any more (a closed pipe, a hung-up line) the stack goes on and its logs tell the story;
    # the signal that follows stops it in order.
    with suppress(OSError, ValueError):
        print(text, file=stream, flush=True)  # the one door to the terminal

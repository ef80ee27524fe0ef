"""What a reader calls between its steps."""

from collections.abc import Callable
from dataclasses import dataclass


def nothing() -> None:
    """Do nothing: a caller that sets no limits of its own."""


@dataclass(frozen=True, slots=True)
class Steps:
    """`on_page(number, of)` after each page; `before_ocr()` before each picture of text, which takes seconds."""

    on_page: Callable[[int, int], None]
    before_ocr: Callable[[], None] = nothing

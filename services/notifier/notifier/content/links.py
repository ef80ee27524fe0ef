"""Make the addresses in plain text links, so that readers of the HTML part can follow them."""

import re
from html import escape

ADDRESS = re.compile(r"https?://[^\s<>\"']+", re.IGNORECASE)
AFTER = ".,;:!?"
"""Marks that end a sentence and not an address."""


def html_text(text: str) -> str:
    """Return plain text as HTML: escaped, with its web addresses as links and its line ends kept."""
    parts, at = [], 0
    for found in ADDRESS.finditer(text):
        address = _whole(found[0])
        parts += [_escaped(text[at : found.start()]), f'<a href="{escape(address)}">{escape(address)}</a>']
        at = found.start() + len(address)
    return "".join([*parts, _escaped(text[at:])])


def _whole(address: str) -> str:
    """Return an address without the marks of its sentence: a full stop, or a bracket that was opened before it."""
    shown = address.rstrip(AFTER)
    if shown.endswith(")") and shown.count("(") < shown.count(")"):
        shown = shown.rstrip(")").rstrip(AFTER)
    return shown


def _escaped(text: str) -> str:
    return escape(text).replace("\n", "<br>")

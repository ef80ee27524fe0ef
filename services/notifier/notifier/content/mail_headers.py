"""Writes the header fields of a mail whose text comes from people: titles and names (RFC 5322, RFC 2047).

Text is text: what looks like an encoded word is itself encoded, so that a mail program shows it as it was written. The
`email` package's header objects would decode it first, and write what it contains as it is.
"""

from email.charset import Charset
from email.header import Header
from email.utils import quote

LINE_LENGTH = 76
ENCODED_WORD = "=?"
ASCII, UTF_8 = Charset("us-ascii"), Charset("utf-8")
MAX_PLAIN_LENGTH = 60
"""Characters of a name in quotes, which is one token and cannot be folded."""


def one_line(text: str) -> str:
    """Return a text in one line; a line break or a control character in it becomes a space."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def subject_line(title: str) -> str:
    """Return the subject as a header line with its line end, folded."""
    return f"Subject: {_written(one_line(title), 'Subject')}\r\n"


def from_line(name: str, address: str) -> str:
    """Return the sender as a header line with its line end; a name is a phrase, quoted or encoded."""
    shown = one_line(name)
    if not shown:
        return f"From: {address}\r\n"
    plain = _is_plain(shown) and len(shown) <= MAX_PLAIN_LENGTH
    phrase = f'"{quote(shown)}"' if plain else _encoded(shown, "From")
    return f"From: {phrase}\r\n <{address}>\r\n"


def _written(text: str, header: str) -> str:
    if not _is_plain(text) or any(len(word) > LINE_LENGTH for word in text.split()):
        return _encoded(text, header)
    return Header(text, ASCII, header_name=header, maxlinelen=LINE_LENGTH).encode(linesep="\r\n")


def _is_plain(text: str) -> bool:
    return text.isascii() and ENCODED_WORD not in text


def _encoded(text: str, header: str) -> str:
    return Header(text, UTF_8, header_name=header, maxlinelen=LINE_LENGTH).encode(linesep="\r\n")

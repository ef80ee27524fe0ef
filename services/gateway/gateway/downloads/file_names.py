"""Content-Disposition: the name under which a browser saves a download (RFC 6266)."""

import unicodedata
from urllib.parse import quote

SEPARATORS = frozenset('/\\:*?"<>|%')
"""What means something to a file system, a shell or the header itself."""

NOT_A_NAME = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control and formatting characters: among them those that turn the direction of text around and hide an extension."""


def attachment(name: str) -> str:
    """Return the header for a name in any language: ASCII for old clients, UTF-8 (RFC 8187) for the others."""
    plain = "".join(_plain(character) for character in unicodedata.normalize("NFC", name)).strip(" .") or "download"
    ascii_only = "".join(character if character.isascii() else "_" for character in plain)
    header = f'attachment; filename="{ascii_only}"'
    return header if ascii_only == plain else f"{header}; filename*=UTF-8''{quote(plain, safe='')}"


def _plain(character: str) -> str:
    if character in SEPARATORS:
        return "_"
    return "" if unicodedata.category(character) in NOT_A_NAME else character

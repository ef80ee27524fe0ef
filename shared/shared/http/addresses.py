"""Check addresses where they are entered, by one rule, so that no provider refuses later what was accepted."""

import re
import unicodedata
from functools import lru_cache

import idna

MOST_BYTES = 254
"""RFC 5321 section 4.5.3.1.3, without the angle brackets."""
FEWEST_DIGITS, MOST_DIGITS = 3, 20
ATOM = r'[^@.\s<>()\[\]:;,"\\]+'
LOCAL_PART = re.compile(rf"{ATOM}(?:\.{ATOM})*")
PHONE_MARKS = str.maketrans("", "", "+-./() ")


def mail_address(text: str) -> str:
    """Return a mail address in its usual form: no invisible characters, the domain as it is looked up (IDNA 2008).

    Raises ValueError for what cannot be an address; the message does not repeat it.
    """
    local, at, domain = _visible(text).rpartition("@")
    looked_up = _looked_up(domain) if at else ""
    address = f"{local}@{looked_up}"
    whole = LOCAL_PART.fullmatch(local) and local.isprintable() and "." in looked_up
    if not whole or len(address.encode()) > MOST_BYTES:
        msg = "is not a mail address"
        raise ValueError(msg)
    return address


def phone_number(text: str) -> str:
    """Return a telephone number without invisible characters; its digits may be of any script and become ASCII.

    Raises ValueError for what cannot be one.
    """
    number = _visible(text)
    if not number.isascii():
        number = "".join(_digit(each) for each in number)
    digits = number.translate(PHONE_MARKS)
    placed = "+" not in number.lstrip("+(")
    if not (digits.isascii() and digits.isdecimal() and placed and FEWEST_DIGITS <= len(digits) <= MOST_DIGITS):
        msg = "is not a phone address: write digits, with + and spaces if you like"
        raise ValueError(msg)
    return number


@lru_cache(maxsize=4096)
def _looked_up(domain: str) -> str:
    """Return a domain as it is looked up, "" for none: a roster has few domains and many addresses."""
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return ""


def _visible(text: str) -> str:
    """Drop format characters, as copies from web pages have them, and turn wide forms and spaces into plain ones."""
    if text.isascii():
        return text.strip()
    shown = "".join(each for each in text if unicodedata.category(each) != "Cf")
    return unicodedata.normalize("NFKC", shown).strip()


def _digit(character: str) -> str:
    return str(unicodedata.decimal(character)) if character.isdecimal() else character

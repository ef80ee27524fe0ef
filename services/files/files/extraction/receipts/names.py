"""Tell a firm's name from the rest of a document's head, and score how likely it is the issuer's."""

import re
from dataclasses import dataclass
from statistics import median

from rapidfuzz import fuzz

from files.extraction.amounts import find_amounts
from files.extraction.dates import find_dates
from files.extraction.folding import fold, trim
from files.extraction.labels import any_field_label
from files.extraction.layout import Cell, Row
from files.extraction.words import pattern, words

SUFFIX = re.compile(
    r"\b(?:sdn\.?\s?bhd|s\/b|bhd|berhad|pte\.?\s?ltd|pty\.?\s?ltd|ltd|limited|inc|llc|llp|plc|corp(?:oration)?|gmbh(?:\s?&\s?co\.?\s?kg)?|mbh|ag|kg|kgaa|ohg|ug|gbr|"
    r"e\.?\s?k\.?|e\.\s?v\.|s\.?a\.?r\.?l|s\.?a\.?s\.?u?|eurl|s\.?\s?l\.?\s?u?|s\.?\s?a|s\.?\s?r\.?\s?l\.?\s?s?|s\.?p\.?a|b\.\s?v|bv|n\.\s?v|nv|vof|oy|aps|a/s|sp\.\s?z\s?o\.\s?o|s\.?b|enterprise|enterprises|trading|company|co)\b\.?",
    re.IGNORECASE,
)
STRONG_SUFFIX = re.compile(
    r"\b(?:sdn|bhd|berhad|s\/b|ltd|limited|inc|llc|plc|gmbh|mbh|kg|ohg|ug|sarl|eurl|srl|spa|pte|pty)\b|\b(?:AG|SAS|SASU|SL|SLU|SA|BV|NV|VOF)\b\.?|\b(?:S\.A\.|S\.L\.|B\.V\.|N\.V\.|S\.r\.l\.|S\.p\.A\.)",
    re.IGNORECASE,
)
REGISTRATION = re.compile(
    r"\s*[(\[]?\s*(?:(?:co(?:mpany)?\.?\s*(?:reg(?:istration)?)?|reg|roc|gst|brn|ssm|uen|abn|vat)"
    r"\.?\s*(?:id|no|number|reg)?\s*\.?\s*[:.]?\s*)?"
    r"[(\[]?(?:[A-Z]{1,3}-?)?\d{4,}[\d-]*\s*-?\s*[A-Z0-9]{0,3}\s*[)\]]*.*$",
    re.IGNORECASE,
)
GLUED = re.compile(
    r"(?<=[a-z)])(?=sdn(?:\b|bhd))|(?<=sdn)(?=bhd)|(?<=pte)(?=ltd)|(?<=[a-z])(?=(?-i:GmbH|Ltd|LLC|Inc|PLC)\b)",
    re.IGNORECASE,
)
"""Legal forms that OCR joins with the word before or after them."""
BREAK = re.compile(r"\s+[-–|·•]\s+|\s{2,}")
PERSON = re.compile(r"(?:dr|mr|mrs|ms|herr|frau|don|dona|dna|mme|sig|dott|lic|lda|ldo) ")
UNCLOSED = re.compile(r"\s*\([^)]*$")
WEB_ADDRESS = re.compile(r"@[\w-]+\.|www\.|\.com\b")
DOMAIN = re.compile(r"(?:www|http|https|mail|info|[a-z]+)? ?([a-z0-9]{4,}) (?:com|org|net|de|nl|fr|es|it|co uk|my)\b")
POSTCODE = re.compile(r"\d{4,6} [^\d]+$")
"""A town behind its postcode."""
HOUSE_NUMBER = re.compile(r"\d{1,5}[a-z]? [a-z]{2}.*|(?:[a-z]+ ){1,3}\d{1,3}[a-z]?(?: \d{1,3})?")
"""A street with its number in front of it or behind."""
HEAD_BELOW = 5
PHRASE = 3
SMALL_WORD = 3
"""Words of names that are written small have at most so many letters: "Gasthaus zum Beispiel"."""
SAME_DOMAIN = 90
MAX_WORDS = 8
LARGE = 1.3
MIN_LETTERS = 3


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a name is compared with: the usual height of text, all words, the rows of the payer's address."""

    usual_height: float
    everything: str
    domains: tuple[str, ...]
    payer_rows: frozenset[int]
    in_capitals: bool

    @classmethod
    def of(cls, rows: list[Row], payer_rows: set[int]) -> "Surroundings":
        """Return the surroundings in a document."""
        everything = fold(" ".join(row.text for row in rows))
        heights = [row.box.y1 - row.box.y0 for row in rows] or [0.0]
        below = rows[1:HEAD_BELOW]
        in_capitals = sum(row.text.isupper() for row in below) * 2 > len(below)
        domains = tuple(DOMAIN.findall(everything))
        return cls(median(heights), everything, domains, frozenset(payer_rows), in_capitals)


def has_suffix(text: str) -> bool:
    """Return whether a text carries a legal form that only firms have."""
    return STRONG_SUFFIX.search(text) is not None


def clean_name(text: str) -> str:
    """Remove registration numbers and what follows a name on its line."""
    spaced = GLUED.sub(" ", trim(text))
    name = REGISTRATION.sub("", spaced) or spaced
    first = BREAK.split(name)[0]
    name = UNCLOSED.sub("", first if has_suffix(first) else name)
    wrapped = re.fullmatch(r"\((.*)\)", name)
    return trim(wrapped[1] if wrapped and has_suffix(wrapped[1]) else name).strip(" ,-–|#")


def is_name(text: str) -> bool:
    """Return whether a text can be a name: mostly letters, no date, no amount."""
    letters = sum(character.isalpha() for character in text)
    digits = sum(character.isdigit() for character in text)
    if letters < MIN_LETTERS or digits > letters or find_dates(text):
        return False
    return not any(amount.decimals for amount in find_amounts(text))


def is_phrase(text: str) -> bool:
    """Return whether a text is a phrase, such as a slogan: names have capitals, and no point at their end."""
    parts = [part for part in text.split() if part.isalpha()]
    small = [part for part in parts if part.islower() and len(part) > SMALL_WORD]
    return len(small) * 2 > len(parts) >= PHRASE or re.search(r"[a-z]{4}[.!?]$", text) is not None


def score_name(name: str, cell: Cell, number: int, page: Surroundings) -> float:
    """Return how likely a name in row `number` is the issuer's. Above 5 it hardly is another's."""
    folded, strong = fold(name), has_suffix(name)
    repeats = min(2, page.everything.count(folded) - 1)
    tall = page.usual_height > 0 and cell.box.y1 - cell.box.y0 > LARGE * page.usual_height
    is_address = pattern("address").search(folded) or WEB_ADDRESS.search(name.lower()) or POSTCODE.match(folded)
    return sum((
        max(0.0, 4.0 - 0.45 * number),
        4.0 if strong else 2.0 if SUFFIX.search(name) else 0.0,
        (1.0 if strong else 0.4) * bool(pattern("trade").search(folded)),
        -2.0 * (PERSON.match(folded) is not None),
        -4.5 * bool(pattern("not_a_name").search(folded)),
        -(1.0 if strong else 3.5) * bool(is_address),
        -1.5 * (not strong and HOUSE_NUMBER.fullmatch(folded) is not None),
        -1.5 * (not strong and is_phrase(name)),
        -2.5 * (page.in_capitals and name.islower()),
        -3.0 * (":" in name or folded in any_field_label()),
        -5.0 * (number in page.payer_rows),
        -4.0 * (set(folded.split()) <= words("generic")),
        -3.0 * (len(folded.split()) > MAX_WORDS),
        1.0 * tall,
        repeats * (0.75 if strong else 0.25),
        0.75 * any(fuzz.partial_ratio(domain, folded.replace(" ", "")) > SAME_DOMAIN for domain in page.domains),
    ))  # fmt: skip

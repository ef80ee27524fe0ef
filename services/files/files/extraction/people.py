"""Find the students that a document names."""

import re
from collections.abc import Iterator

from files.domain.finding import Field
from files.extraction.fields import field_at
from files.extraction.folding import fold, trim
from files.extraction.labels import Labelled, find_labelled
from files.extraction.layout import Row

MAX_NAME_WORDS = 7
MIN_LETTERS = 3
_NAME = r"(?P<name>[^\W\d_][\w'\u2019.-]+(?:\s(?:[^\W\d_][\w'\u2019.-]*)){1,5})"
CERTIFIES = (
    re.compile(
        r"(?i:grades obtained by|results of|awarded to|presented to|certify that|certifies that|record of|transcript of"
        rf"|report for|zeugnis f(?:ü|ue)r)\s+{_NAME}"
    ),
    re.compile(
        rf"(?i:\bque)\s+(?:el alumno |la alumna |D\.\s?|Dña\.\s?|D\.ª\s?)?{_NAME}(?=\s+(?:ha|con|nacid|curs|obtuvo))"
    ),
    re.compile(rf"(?i:alumno|alumna|estudiante)\s+(?:D\.\s?|Dña\.\s?)?{_NAME}(?=\s+(?:ha|con|nacid|curs|obtuvo|,))"),
)
STOP = re.compile(
    r"\s(?:ha|has|have|with|con|born|nacido|nacida|obtained|for|in|class|grade|year|id|no|klasse|classe|clase|curso|geboren|ne|nee)\b.*$",
    re.IGNORECASE,
)


def students_in(rows: list[Row]) -> list[Field]:
    """Return the students that stand behind a label, each once."""
    found: dict[str, Field] = {}
    for hit in find_labelled(rows, "student"):
        for name in _names(hit):
            if name and fold(name) not in found:
                found[fold(name)] = field_at(name, hit.value, 0.95 * hit.strength)
    return list(found.values())


def student_of(rows: list[Row]) -> Field | None:
    """Return the student of a transcript or report: behind a label, in a sentence, or a name on its own in the head."""
    labelled = students_in(rows)
    if labelled and labelled[0].confidence >= 0.8:  # noqa: PLR2004
        return labelled[0]
    sentence = next(_in_sentence(rows), None)
    if sentence is not None:
        return sentence
    named = next((hit for hit in find_labelled(rows, "person_name") if looks_like_a_name(hit.text)), None)
    if named is not None:
        return field_at(clean_name(named.text), named.value, 0.85 * named.strength)
    return labelled[0] if labelled else None


def looks_like_a_name(text: str) -> bool:
    """Tell whether a text has the shape of a person's name: two to six words that start with a capital."""
    words = [word for word in re.split(r"[\s,]+", trim(text)) if word]
    if not 2 <= len(words) <= 6 or any(character.isdigit() for character in text):  # noqa: PLR2004
        return False
    return all(
        word[0].isupper()
        or word.lower() in {"de", "del", "la", "von", "van", "der", "da", "di", "al", "y", "den", "bin", "binti"}
        for word in words
    )


def clean_name(text: str) -> str:
    """Remove what follows a name: a class, a number, a birthday."""
    name = re.split(r"\s*[(|;\d]|\s[-–]\s", text)[0]
    return trim(STOP.sub("", name)).strip(" ,")


def _names(hit: Labelled) -> Iterator[str]:
    """Yield the names of a list such as "Lea Muster, Tom Muster"; "Muster, Lea" is one name."""
    for part in re.split(r"\s*(?:;|&|\+|/|\bund\b|\band\b|\by\b|\bet\b)\s*", clean_name_list(hit.text)):
        pieces = [piece.strip() for piece in part.split(",") if piece.strip()]
        whole = [piece for piece in pieces if " " in piece]
        for name in pieces if len(whole) > 1 else [part]:
            cleaned = clean_name(name)
            if (
                cleaned
                and len(cleaned.split()) <= MAX_NAME_WORDS
                and not cleaned.isdigit()
                and sum(c.isalpha() for c in cleaned) >= MIN_LETTERS
            ):
                yield cleaned


def clean_name_list(text: str) -> str:
    """Remove classes in brackets, so that a list of names can be split."""
    return re.sub(r"\([^)]*\)", "", text)


def _in_sentence(rows: list[Row]) -> Iterator[Field]:
    for row in rows:
        for pattern in CERTIFIES:
            match = pattern.search(row.text)
            if match is not None:
                name = clean_name(match["name"])
                if looks_like_a_name(name):
                    yield field_at(name, row.whole.part(*match.span("name")), 0.9)

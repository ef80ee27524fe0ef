"""Find the students that a document names."""

import re
from collections.abc import Collection, Iterator

from files.domain.finding import Field
from files.extraction.fields import field_at
from files.extraction.folding import fold, fold_label, trim
from files.extraction.labels import Labelled, find_labelled, labels
from files.extraction.layout import Cell, Row

MAX_NAME_WORDS = 7
MIN_LETTERS = 3
LABEL_WORDS = 4
NUMBER = re.compile(r"[A-Z]{0,4}[-/]?\d[\w/-]*")
SAME_EDGE = 0.03
_NAME = r"(?P<name>[^\W\d_][\w'\u2019.-]+(?:\s(?:[^\W\d_][\w'\u2019.-]*)){1,5})"
CERTIFIES = (
    re.compile(
        r"(?i:grades obtained by|results of|awarded to|presented to|certify that|certifies that|record of"
        rf"|transcript (?:of|for)|report (?:card )?for|zeugnis f(?:ü|ue)r):?\s+{_NAME}"
    ),
    re.compile(
        rf"(?i:\bque)\s+(?:el alumno |la alumna |D\.\s?|Dña\.\s?|D\.ª\s?)?{_NAME}(?=,?\s+(?:ha|con|nacid|curs|obtuvo))"
    ),
    re.compile(rf"(?i:alumno|alumna|estudiante)\s+(?:D\.\s?|Dña\.\s?)?{_NAME}(?=\s+(?:ha|con|nacid|curs|obtuvo|,))"),
    re.compile(rf"(?:D\.\s?/\s?Dña\.|Dña\.|D\.|Don|Doña)\s+{_NAME}(?=,?\s+(?:con|ha|nacid|alumn|matricul))"),
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


def student_of(rows: list[Row], other_names: Collection[str] = ()) -> Field | None:
    """Return the student, behind a label or in a sentence. `other_names` are texts that name something else."""
    labelled = students_in(rows)
    if labelled and labelled[0].confidence >= 0.8:  # noqa: PLR2004
        return labelled[0]
    sentence = next((field for field in _in_sentence(rows) if field.value not in other_names), None)
    if sentence is not None:
        return sentence
    named = next((hit for hit in find_labelled(rows, "person_name") if looks_like_a_name(hit.text)), None)
    if named is not None:
        sure = 0.95 if _is_students(rows[named.row]) else 0.85
        return field_at(clean_name(named.text), named.value, sure * named.strength)
    return labelled[0] if labelled else None


def student_number_of(rows: list[Row]) -> Field | None:
    """Return the number of the student, behind its label or in a sentence."""
    for hit in find_labelled(rows, "student_number"):
        first = hit.text.split(" ")[0]
        if NUMBER.fullmatch(first):
            return field_at(first, hit.value, 0.95 * hit.strength)
    return next((found for row in rows if (found := _number_in_sentence(row)) is not None), None)


def _number_in_sentence(row: Row) -> Field | None:
    """Return the number directly behind "with student number" and the like."""
    tokens = row.whole.tokens
    for place in range(LABEL_WORDS, len(tokens)):
        value = tokens[place].text.strip(",.;")
        label = fold_label(" ".join(token.text for token in tokens[place - LABEL_WORDS : place]))
        if NUMBER.fullmatch(value) and any(label.endswith(f" {name}") for name in _long_labels()):
            return field_at(value, Cell((tokens[place],)), 0.85)
    return None


def _long_labels() -> list[str]:
    """Return the labels of a student's number that no other word of a sentence is."""
    return [name for name in labels("fields", "student_number") if " " in name or name in {"expediente", "matricula"}]


def _is_students(row: Row) -> bool:
    """Return whether a row holds the number of a student too: then "Name" in it is the student's."""
    return any(find_labelled([row], "student_number"))


def looks_like_a_name(text: str) -> bool:
    """Return whether a text has the shape of a person's name: two to six words that start with a capital."""
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
    name = re.split(r"\s*[(|;]|\s[-–]\s|\s+(?!\d{3,6}$)\d", text)[0]
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
    """Yield the names of sentences such as "certifies the grades obtained by …", also over a line's end."""
    for number, row in enumerate(rows):
        for cell in dict.fromkeys((row.whole, *row.cells)):
            below = _cell_below(rows, number, cell) if cell in row.cells else None
            joined = cell if below is None else Cell((*cell.tokens, *below.tokens))
            for pattern in CERTIFIES:
                match = pattern.search(joined.text)
                if match is not None and looks_like_a_name(name := clean_name(match["name"])):
                    start = match.start("name")
                    yield field_at(name, joined.part(start, start + len(name)), 0.9)


def _cell_below(rows: list[Row], number: int, cell: Cell) -> Cell | None:
    """Return the cell that continues a text on the next line: it starts at the same left edge."""
    for row in rows[number + 1 : number + 4]:
        for other in row.cells:
            if other.page == cell.page and abs(other.box.x0 - cell.box.x0) < SAME_EDGE:
                return other
    return None

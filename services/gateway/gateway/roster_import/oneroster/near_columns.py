"""Find columns that are not read but look like one that is missing: exports of several systems rename columns."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

ALIKE = 0.8
FEWEST_LETTERS = 4
MOST_LETTERS = 40
"""The comparison of two names takes the product of their lengths."""
OTHER_NAMES = {
    "mail": "email",
    "cell": "sms",
    "cellphone": "sms",
    "mobile": "sms",
    "mobilephone": "sms",
    "tel": "phone",
    "telephone": "phone",
    "parents": "agentSourcedIds",
    "guardians": "agentSourcedIds",
    "agents": "agentSourcedIds",
    "year": "grades",
    "enabled": "enabledUser",
    "firstname": "givenName",
    "lastname": "familyName",
    "surname": "familyName",
    "schools": "orgSourcedIds",
    "timezone": "metadata.timezone",
}
STANDARD = frozenset(
    [
        "username",
        "userids",
        "middlename",
        "identifier",
        "password",
        "usermasteridentifier",
        "preferredgivenname",
        "preferredmiddlename",
        "preferredfamilyname",
        "primaryorgsourcedid",
        "pronouns",
        "userprofilesourcedid",
        "location",
        "subjects",
        "subjectcodes",
        "periods",
        "coursecode",
        "schoolyearsourcedid",
        "resourcesourcedids",
    ]
)
"""Columns of OneRoster that are not read here and mean something else."""


@dataclass(frozen=True, slots=True)
class NearColumn:
    """A column of a file that is not read, and the one that was looked for."""

    file: str
    column: str
    like: str


def near_columns(file: str, header: Sequence[str], wanted: Collection[str]) -> list[NearColumn]:
    """Return the columns of a header that look like one of `wanted`, which the header does not have."""
    missing = [name for name in wanted if name not in header]
    unknown = [
        name for name in header if name not in wanted and len(name) <= MOST_LETTERS and _plain(name) not in STANDARD
    ]
    return [NearColumn(file, name, like) for name in unknown if (like := _like(_plain(name), missing)) is not None]


def _like(name: str, missing: Sequence[str]) -> str | None:
    other = OTHER_NAMES.get(name)
    if other in missing:
        return other
    scores = {like: _alike(name, _plain(like)) for like in missing}
    best = max(scores, key=scores.__getitem__, default=None)
    return best if best is not None and scores[best] >= ALIKE else None


def _alike(name: str, like: str) -> float:
    if min(len(name), len(like)) >= FEWEST_LETTERS and (name in like or like in name):
        return 1.0
    return SequenceMatcher(None, name, like).ratio()


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())

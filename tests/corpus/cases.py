"""Documents of the corpus with their truth: which layouts, which degradations, and what has to be found."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from random import Random
from typing import Any, Final

from cli.demo.documents.maker import Kind
from files.domain.finding import Hints
from tests.corpus.degrade import LEVELS, Level, degrade, rasterize
from tests.corpus.facts import UPLOADED_ON
from tests.corpus.making import LAYOUTS, draw_facts, make

HELD_OUT: Final = frozenset({
    "till_wholesale", "till_pharmacy", "till_foodcourt", "till_counter", "till_ticket", "till_fashion",
    "report_effort", "behavior_letter",
})  # fmt: skip
"""Layouts that are only ever measured. Readers may be developed with the others."""

KINDS: Final[tuple[Kind, ...]] = ("payment_receipt", "transcript", "behavior_report")
RESOLUTIONS: Final[dict[Level, tuple[int, ...]]] = {
    "clean": (150, 200, 300),
    "office": (150, 200, 300),
    "phone": (200, 300),
}
LEAST_DPI: Final = 200
"""Bounds are stated from this resolution on; scans below it are measured without a bound."""

FIELDS: Final[dict[Kind, tuple[str, ...]]] = {
    "payment_receipt": ("merchant", "amount", "currency", "date", "reference", "payer", "student"),
    "transcript": ("student", "student_number", "school", "period"),
    "behavior_report": ("student", "student_number", "date", "reporter", "category", "severity"),
}
MISSING: Final[dict[str, frozenset[str]]] = {"receipt_till": frozenset({"payer", "student"})}
"""Fields that a layout does not print."""


@dataclass(frozen=True, slots=True)
class Case:
    """One document. `level` is None for a PDF with text; `text` is the PDF of a scan, whose text is the truth."""

    name: str
    kind: Kind
    layout: str
    level: Level | None
    dpi: int
    content: bytes = field(repr=False)
    text: bytes = field(repr=False)
    facts: dict[str, Any] = field(repr=False)

    @property
    def held_out(self) -> bool:
        return self.layout in HELD_OUT

    @property
    def fields(self) -> dict[str, str]:
        """What the fields of this document are, as a finding has them."""
        missing = MISSING.get(self.layout, frozenset())
        return {name: self.facts[name] for name in FIELDS[self.kind] if name not in missing and self.facts.get(name)}

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The subjects with their grades."""
        return [(row["subject"], row["grade"]) for row in self.facts.get("rows", ())]

    @property
    def hints(self) -> Hints:
        """What the school of this document knows."""
        return Hints(UPLOADED_ON, self.facts["country"], self.facts["currency"], (self.facts["language"],))


def texts(seed: int, count: int, *, held_out: bool | None = None) -> Iterator[Case]:
    """Make `count` PDFs with text, layout by layout: all layouts, or only the held out ones, or only the others."""
    dice = Random(f"{seed} texts")
    for number, (kind, layout) in zip(range(count), cycle(_layouts(held_out)), strict=False):
        facts = draw_facts(kind, layout, dice)
        pdf = make(kind, facts, layout)
        yield Case(f"{number:03}-{layout}-text.pdf", kind, layout, None, 0, pdf, pdf, facts)


def scans(seed: int, count: int, *, held_out: bool | None = None) -> Iterator[Case]:
    """Make `count` pictures: the levels and resolutions take turns within each layout."""
    dice = Random(f"{seed} scans")
    layouts = _layouts(held_out)
    settings = [(level, dpi) for level in LEVELS for dpi in RESOLUTIONS[level]]
    for number in range(count):
        kind, layout = layouts[number % len(layouts)]
        level, dpi = settings[(number // len(layouts) + number % len(layouts)) % len(settings)]
        facts = draw_facts(kind, layout, dice)
        pdf = make(kind, facts, layout)
        picture = degrade(rasterize(pdf, dpi), level, dpi, dice.getrandbits(32))
        suffix = "png" if level == "clean" else "jpg"
        yield Case(f"{number:03}-{layout}-{level}-{dpi}.{suffix}", kind, layout, level, dpi, picture, pdf, facts)


def _layouts(held_out: bool | None) -> list[tuple[Kind, str]]:
    return [
        (kind, layout)
        for kind in KINDS
        for layout in LAYOUTS[kind]
        if held_out is None or (layout in HELD_OUT) == held_out
    ]

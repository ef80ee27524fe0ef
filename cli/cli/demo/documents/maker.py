"""Make one document as PDF from facts and a layout; the same arguments give the same bytes."""

import datetime as dt
import io
import json
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import fontpkg
import pypdfium2
import typst

from cli.demo.documents.printed import printed

Kind = Literal["payment_receipt", "transcript", "behavior_report"]

LAYOUTS: Final[dict[Kind, tuple[str, ...]]] = {
    "payment_receipt": ("receipt_fee", "receipt_till", "receipt_invoice", "receipt_slip", "receipt_letter"),
    "transcript": ("transcript_ruled", "transcript_plain", "transcript_twin", "transcript_terms", "transcript_credits"),
    "behavior_report": ("behavior_form", "behavior_letter", "behavior_slip"),
}
"""Layouts by kind: the name is that of the file in `layouts/`."""

FOLDER: Final = Path(__file__).parent / "layouts"
POINTS_PER_INCH: Final = 72
MADE_ON: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
"""The time of creation that each PDF carries: with the time of day, no two would be equal."""


def make_document(kind: Kind, facts: dict[str, Any], layout: str) -> bytes:
    """Return the PDF. Facts have ISO dates and decimal strings; `language` and `country` decide how they are printed.

    - payment_receipt: merchant, address, payer, student, date, reference, currency, amount, items (description,
      quantity, unit_price, amount), tax (a percentage, included in the prices), paid_by; an invoice may have a
      discount, deducted before the amount.
    - transcript: school, student, student_number, period, class, rows (subject, grade; optionally credits, earlier),
      gpa and credits if printed, scale.
    - behavior_report: school, student, student_number, class, date, reporter, category, severity, description, action.
      Category (bullying, violence, property_damage, disruption, attendance, positive) and severity (low, medium,
      high) may be missing: the form is then not filled in there.

    Raises ValueError if the layout is not one of the kind.
    """
    if layout not in LAYOUTS[kind]:
        raise ValueError(f"{layout} is no layout of a {kind}; there are {', '.join(LAYOUTS[kind])}")
    return compile_layout(FOLDER / f"{layout}.typ", printed(facts))


def compile_layout(layout: Path, texts: dict[str, Any]) -> bytes:
    """Return the PDF of a layout, whose folder holds all that it imports; it finds the texts as JSON in `data`."""
    made = typst.compile(
        layout,
        root=layout.parent,
        font_paths=[_fonts()],
        ignore_system_fonts=True,
        format="pdf",
        sys_inputs={"data": json.dumps(texts, ensure_ascii=False)},
        timestamp=MADE_ON,
    )
    assert isinstance(made, bytes)
    return made


def photograph(pdf: bytes, dpi: int = 150) -> bytes:
    """Return the first page as a JPEG picture, which has no text layer."""
    with closing(pypdfium2.PdfDocument(pdf)) as document:
        picture = document[0].render(scale=dpi / POINTS_PER_INCH).to_pil()
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=85, dpi=(dpi, dpi))
    return out.getvalue()


@cache
def _fonts() -> Path:
    font: Path = fontpkg.path("noto-sans")
    return font.parent

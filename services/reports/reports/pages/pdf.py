"""Draws outlines as PDF by typst: PDF/A-2a and PDF/UA-1, with the same bytes for the same inputs."""

import datetime as dt
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, Literal

import typst

from reports.pages.drawing import Drawing, warn_of_glyphs, warn_of_logos
from reports.pages.fonts import FAMILIES, capital_height, font_files
from reports.pages.glyphs import Writer
from reports.pages.outline import Outline
from reports.pages.page_data import page_data
from reports.pages.words import Words

STANDARDS: list[Literal["a-2a", "ua-1"]] = ["a-2a", "ua-1"]


class UndrawablePage(Exception):
    """The template or its fonts are wrong: a fault of the service, never of a report's values."""


def draw_pdf(outlines: Sequence[Outline], words: Words, families: Sequence[str] = FAMILIES) -> Drawing:
    """Draw reports of one language as one document; each starts on an odd page. Its moment is the first one's.

    Raise UndrawablePage for a font family that is not installed. A logo that cannot be read is left out with a warning.
    """
    writer = Writer(words)
    data: dict[str, Any] = {
        "language": words.language,
        "direction": words.direction,
        "fonts": families,
        "title": writer.text(_document_title(outlines, words)),
        "author": writer.text(outlines[0].school.name),
        "page": words.texts["page"],
        "capitals": capital_height(),
        "reports": [page_data(outline, writer) for outline in outlines],
    }
    if writer.missing:
        data["glyphs"] = words.text("glyphs", mark="\ufffd")
    moment = outlines[0].origin.as_of.astimezone(dt.UTC).replace(microsecond=0)  # what typst takes
    warnings = (*warn_of_glyphs(writer.missing), *warn_of_logos(outlines, data["reports"]))
    return Drawing(_compile(data, moment), warnings)


def _compile(data: dict[str, Any], moment: dt.datetime) -> bytes:
    """Return the document; an error or a warning of typst is an UndrawablePage."""
    try:
        content, problems = _compiler().compile_with_warnings(
            format="pdf",
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            timestamp=moment,
            pdf_standards=[*STANDARDS],
        )
    except typst.TypstError as problem:
        raise UndrawablePage(problem.diagnostic) from problem
    if problems:
        raise UndrawablePage(problems[0].diagnostic)
    if not isinstance(content, bytes):
        raise UndrawablePage("typst gave no document")
    return content


def _document_title(outlines: Sequence[Outline], words: Words) -> str:
    first = outlines[0]
    subject = (first.subject,) if len(outlines) == 1 and first.subject else ()
    return " · ".join((first.title, *subject, first.school.name, words.period(first.period)))


@cache
def _compiler() -> typst.Compiler:
    """Return the process's compiler: reading fonts takes longer than drawing a report."""
    fonts = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(file.parent) for file in font_files()]
    )
    template = resources.files("reports.pages") / "report.typ"
    return typst.Compiler(str(template), font_paths=fonts, ignore_system_fonts=True)

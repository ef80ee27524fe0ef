"""How well documents are read: characters, fields, rows, and what was wrong but accepted.

Bounds are on layouts that no reader was developed with, and on scans of at least 200 dpi. The other figures say how far
one can go: known layouts, and 150 dpi.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Lab, Report
from tests.corpus.cases import KINDS, LEAST_DPI, Case, scans, texts
from tests.corpus.measure import read_cases
from tests.corpus.scoring import Score

CHARACTERS = 1.0
CHARACTERS_BY_PHONE = 2.0
FIELDS = 98.0
ROWS = 97.0
WRONG = 0.5
PERCENT = 100


async def run(lab: Lab, report: Report) -> None:
    """Read PDFs and scans, and compare them with their truth."""
    pictures = int(os.environ.get("ACCURACY_SCANS", lab.size(104, 2)))
    pdfs = int(os.environ.get("ACCURACY_PDFS", lab.size(260, 8)))
    cases = chain(texts(lab.seed, pdfs), scans(lab.seed, pictures))
    scores: dict[str, Score] = defaultdict(Score)
    with TemporaryDirectory(prefix="schoolconnect-accuracy-") as folder:
        read = 0
        async for measured in read_cases(cases, Path(folder)):
            read += 1
            for group in _groups(measured.case):
                measured.count_in(scores[group])
            if read % 10 == 0:
                lab.say(f"{read} of {pdfs + pictures} documents are read")
    _report(scores, report)


def _groups(case: Case) -> Iterator[str]:
    """Yield the groups that a case is counted in; bounds are on the first three."""
    layouts = "held out" if case.held_out else "known"
    if case.level is None:
        yield f"{layouts}, text"
    elif case.dpi < LEAST_DPI:
        yield "150 dpi"
    else:
        yield f"{layouts}, {'phone' if case.level == 'phone' else 'scan'}"
        yield f"{layouts}, {case.level}"
    if case.dpi >= LEAST_DPI or case.level is None:
        yield layouts
        if case.held_out:
            yield case.kind


def _report(scores: dict[str, Score], report: Report) -> None:
    report.figure("documents", sum(scores[group].documents for group in ("known", "held out", "150 dpi")), "documents")
    _bounds(scores, report)
    for group in (
        "held out, text",
        "held out, clean",
        "held out, office",
        "held out, phone",
        *KINDS,
        "known",
        "150 dpi",
    ):
        if scores[group].documents:
            _figures(group, scores[group], report)
    for score in (scores["held out"], scores["known"], scores["150 dpi"]):
        for mistake in score.mistakes:
            report.note(mistake)


def _bounds(scores: dict[str, Score], report: Report) -> None:
    scan, phone, all_of = scores["held out, scan"], scores["held out, phone"], scores["held out"]
    # A bound on nothing would hold.
    report.exactly("bounds without documents", sum(not score.documents for score in (scan, phone, all_of)), "bounds", 0)
    report.at_most("clean to office scan, ≥ 200 dpi: wrong characters", _percent(scan.character_error), "%", CHARACTERS)
    report.at_most("phone-like: wrong characters", _percent(phone.character_error), "%", CHARACTERS_BY_PHONE)
    report.at_least("fields", _percent(all_of.field_accuracy), "%", FIELDS)
    report.at_least("rows: recall", _percent(all_of.row_recall), "%", ROWS)
    report.at_least("rows: precision", _percent(all_of.row_precision), "%", ROWS)
    report.at_most("wrong but accepted", _percent(all_of.wrong_but_accepted_rate), "%", WRONG)
    report.figure("accepted without a person", _percent(all_of.accepted_rate), "%")


def _figures(group: str, score: Score, report: Report) -> None:
    report.figure(f"{group}: documents", score.documents, "documents")
    if score.characters:
        report.figure(f"{group}: wrong characters", _percent(score.character_error), "%")
    report.figure(f"{group}: fields", _percent(score.field_accuracy), "%")
    if score.rows:
        report.figure(f"{group}: rows, recall", _percent(score.row_recall), "%")
        report.figure(f"{group}: rows, precision", _percent(score.row_precision), "%")
    report.figure(f"{group}: wrong but accepted", _percent(score.wrong_but_accepted_rate), "%")
    report.figure(f"{group}: accepted without a person", _percent(score.accepted_rate), "%")


def _percent(fraction: float) -> float:
    return round(PERCENT * fraction, 2)

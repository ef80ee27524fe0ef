"""How fast reports are drawn: figures in, bytes out, in this process and without services."""

import time
from collections.abc import Callable
from typing import Any

from benchmarks.harness import Lab, Report
from reports.domain.content import MonthlyReport, StudentReport
from reports.pages.render import render_pdf, render_xlsx
from services.reports.tests.pages.bundles import render_bundle
from services.reports.tests.pages.samples import another_student, month

ROUNDS = 7
BATCH = 8
"""Students, one of each script: the fastest of several batches counts."""
KIBI = 1024


def measure_drawing(lab: Lab, report: Report) -> None:
    """PDF and Excel of a month of 1,000 students in ≤ 300 ms; ≥ 60 PDFs of students a second of one core.

    No report is drawn twice: typst keeps what it laid out for its last drawings, so a repeat takes a third of the time.
    """
    months = [month(lab.size(1000, 50), seed=number) for number in range(ROUNDS + 1)]
    students = [another_student(number) for number in range(BATCH, lab.size(120, 2) + BATCH)]
    render_xlsx(months[0], "en")  # reads fonts and templates, as a service does once
    render_pdf(months[0], "en")
    for number in range(BATCH):
        render_pdf(another_student(number), "en")
    took = [(_time(render_pdf, each), _time(render_xlsx, each)) for each in months[1:]]
    pdf, workbook = min(took, key=sum)
    report.at_most("month of 1,000 students, PDF and Excel, processor time", (pdf + workbook) * 1000, "ms", 300)
    report.figure("… of which its PDF", pdf * 1000, "ms")
    alone = [_time(render_pdf, each) for each in students]
    batches = [alone[first : first + BATCH] for first in range(0, len(alone), BATCH)]
    rate = max(len(batch) / sum(batch) for batch in batches)
    report.at_least("PDFs of students, a second of one core", rate, "PDFs/s", 60)
    started = time.process_time()
    bundle = render_bundle(students, "en")
    report.figure("bundle of 120 students, ZIP and one PDF, processor time", time.process_time() - started, "s")
    report.figure("its one PDF", len(bundle.document) / KIBI, "KiB")


def _time(draw: Callable[[Any, str], object], content: MonthlyReport | StudentReport) -> float:
    """Return the processor time of a drawing: what else the machine has to do is not the drawing's."""
    started = time.process_time()
    draw(content, "en")
    return time.process_time() - started

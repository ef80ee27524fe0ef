"""How fast reports are drawn: figures in, bytes out, in this process and without services."""

import time
from collections.abc import Callable

from benchmarks.harness import Lab, Report
from reports.pages.render import render_pdf, render_xlsx
from services.reports.tests.pages.bundles import render_bundle
from services.reports.tests.pages.samples import NAMES, month, student

ROUNDS = 5
KIBI = 1024


def measure_drawing(lab: Lab, report: Report) -> None:
    """PDF and Excel of a month of 1,000 students in ≤ 300 ms; ≥ 60 PDFs of students a second of one core."""
    school = month(lab.size(1000, 50))

    def draw_month() -> None:
        render_pdf(school, "en")
        render_xlsx(school, "en")

    draw_month()  # reads fonts and templates, as a service does once
    report.at_most("month of 1,000 students, PDF and Excel, processor time", _best(draw_month) * 1000, "ms", 300)
    students = [student(NAMES[number % len(NAMES)]) for number in range(lab.size(120, 5))]

    def draw_students() -> None:
        for each in students:
            render_pdf(each, "en")

    report.at_least("PDFs of students, a second of one core", len(students) / _best(draw_students), "PDFs/s", 60)
    started = time.process_time()
    bundle = render_bundle(students, "en")
    report.figure("bundle of 120 students, ZIP and one PDF, processor time", time.process_time() - started, "s")
    report.figure("its one PDF", len(bundle.document) / KIBI, "KiB")


def _best(draw: Callable[[], None]) -> float:
    """Return the least processor time of several rounds: what else the machine has to do is not the drawing's."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        draw()
        times.append(time.process_time() - started)
    return min(times)

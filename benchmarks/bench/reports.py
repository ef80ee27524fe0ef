"""How fast reports are made: their figures read, their pages drawn."""

from benchmarks.harness import Lab, Report
from benchmarks.report_drawing import measure_drawing
from benchmarks.report_figures import measure_figures


async def run(lab: Lab, report: Report) -> None:
    """Bounds of drawing and of SQL: see `measure_drawing` and `measure_figures`."""
    measure_drawing(lab, report)
    await measure_figures(lab, report)

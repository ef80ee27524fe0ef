"""How fast reports are made: their figures read, their pages drawn, the months of many schools from event to file."""

from benchmarks.harness import Lab, Report
from benchmarks.report_drawing import measure_drawing
from benchmarks.report_figures import measure_figures
from benchmarks.report_months import measure_months


async def run(lab: Lab, report: Report) -> None:
    """Bounds of drawing, of SQL and of the whole way: see the docstrings of the three."""
    measure_drawing(lab, report)
    await measure_figures(lab, report)
    await measure_months(lab, report)

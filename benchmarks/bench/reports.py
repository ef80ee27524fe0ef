"""How fast reports are made."""

from benchmarks.harness import Lab, Report
from benchmarks.report_drawing import measure_drawing


async def run(lab: Lab, report: Report) -> None:
    """Bounds of drawing: see `measure_drawing`."""
    measure_drawing(lab, report)

"""Files: how fast they are read, and how much memory a large upload and its download take."""

from benchmarks import reading_load, upload_load
from benchmarks.harness import Lab, Report


async def run(lab: Lab, report: Report) -> None:
    """Reading by processor time and memory; upload and download of 500 MB with ≤ 100 MB more memory in the gateway."""
    await reading_load.measure(lab, report)
    await upload_load.measure(lab, report)

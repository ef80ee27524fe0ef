"""Files: how much memory a large upload and its download take."""

from benchmarks import upload_load
from benchmarks.harness import Lab, Report


async def run(lab: Lab, report: Report) -> None:
    """Upload and download of 500 MB with ≤ 100 MB more memory in the gateway each."""
    await upload_load.measure(lab, report)

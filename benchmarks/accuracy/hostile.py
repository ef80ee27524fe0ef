"""All hostile files through the limited child: verdict, processor time, memory. `make test` reads a share of them."""

import asyncio
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

from benchmarks.harness import Lab, Report
from cli.layout import ROOT

TESTS = "services/files/tests/reading/test_hostile_files.py"


async def run(lab: Lab, report: Report) -> None:
    """Run the test of hostile files with every case, and count those that do not hold."""
    with TemporaryDirectory(prefix="schoolconnect-hostile-") as folder:
        results = Path(folder) / "results.xml"
        argv = (sys.executable, "-m", "pytest", "-q", TESTS, f"--junitxml={results}")
        lab.say("All hostile files are read, one after the other; this takes minutes")
        process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, env=os.environ | {"HOSTILE_SHARE": "1"})
        await process.wait()
        cases = list(ET.parse(results).iter("testcase"))  # noqa: S314  # pytest's own file
    failed = [
        case.get("name") or "" for case in cases if case.find("failure") is not None or case.find("error") is not None
    ]
    report.figure("hostile files", len(cases), "cases")
    report.exactly("hostile files whose verdict or limits do not hold", len(failed), "cases", 0)
    for name in failed:
        report.note(name)

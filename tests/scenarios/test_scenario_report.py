"""The report of a scenario, and which scenarios there are."""

import json
import sys

import pytest

from benchmarks.__main__ import main
from benchmarks.report import Report


def test_a_bound_that_does_not_hold_is_no_pass(tmp_path):
    report = Report("bench", "made-up", 1)
    report.at_least("fast", 0.9, "×", 0.8)
    report.figure("size", 330, "bytes")
    assert report.broken() == []
    report.at_most("slow", 20, "ms", 15)
    report.exactly("promise 03: lost", 1, "events", 0)
    report.times_peer("beside Celery", 10, None, 2)
    report.times_peer("beside Celery, measured", 10, 4, 2)
    assert [line.partition(":")[0] for line in report.broken()] == ["slow", "promise 03", "beside Celery"]
    assert report.broken_promises() == ["promise 03: lost: 1, bound = 0"]
    report.write(tmp_path)
    written = json.loads((tmp_path / "made-up.json").read_text())
    assert written["holds"] is False
    assert [row["verdict"] for row in written["rows"]][-2:] == ["not compared", "holds"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["accuracy", "--only", "nonsense"], "accuracy knows files, hostile; ONLY=nonsense is none"),
        (["bench", "--only", "nonsense"], "ONLY=nonsense is none"),
    ],
)
def test_a_scenario_that_is_not_there_is_an_error(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments, "--results", "r", "--folder", "f", "--outside", "o"])
    assert main() == 1
    assert message in capsys.readouterr().err

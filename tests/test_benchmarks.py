"""Every scenario of `make bench` and `make chaos`, small: what must hold at any size and speed holds here too."""

import importlib
import json
import sys

import pytest
import pytest_asyncio

from benchmarks import spine_service
from benchmarks.__main__ import main, scenarios
from benchmarks.harness import Lab, Report
from cli.backing import select
from cli.layout import Layout
from cli.stack.removal import remove

SCENARIOS = [(verb, name) for verb in ("bench", "chaos") for name in scenarios(verb)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory):
    """Nodes of its own, because scenarios kill them; one boot for all."""
    if select.missing({}):
        pytest.skip("RabbitMQ and PostgreSQL are containers here: their nodes cannot be killed by process")
    place = Layout(tmp_path_factory.mktemp("lab"))
    with pytest.MonkeyPatch.context() as patch:
        # It is for good in a process: no test after this one could capture what is logged.
        patch.setattr(spine_service, "configure_logs", lambda *_: None)
        async with Lab(place, full=False).open() as opened:
            yield opened
    await remove(place)


@pytest.mark.timeout(300)  # the spine's kills and starts both nodes: 75 s where nothing else runs
@pytest.mark.parametrize(("verb", "name"), SCENARIOS)
@pytest.mark.asyncio(loop_scope="module")
async def test_smoke(lab, verb, name):
    report = Report(verb, name, lab.seed)
    await importlib.import_module(f"benchmarks.{verb}.{name}").run(lab, report)
    await lab.mend()
    assert report.rows
    assert not report.broken_promises()


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
        (["accuracy", "--only", "nonsense"], "accuracy knows files; ONLY=nonsense is none"),
        (["bench", "--only", "nonsense"], "ONLY=nonsense is none"),
    ],
)
def test_a_scenario_that_is_not_there_is_an_error(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments, "--results", "r", "--folder", "f", "--outside", "o"])
    assert main() == 1
    assert message in capsys.readouterr().err

"""Every scenario of `make bench` and `make chaos`, small: what must hold at any size and speed holds here too."""

import importlib

import pytest
import pytest_asyncio

from benchmarks import spine_service
from benchmarks.harness import Lab, Report
from cli.backing import select
from cli.layout import Layout
from cli.stack.removal import remove
from cli.testing import forking


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def lab(tmp_path_factory):
    """Nodes of its own, because scenarios kill them; one boot for the scenarios of a process."""
    if select.missing({}):
        pytest.skip("RabbitMQ and PostgreSQL are containers here: their nodes cannot be killed by process")
    forking.prepare()
    place = Layout(tmp_path_factory.mktemp("lab"))
    with pytest.MonkeyPatch.context() as patch:
        # It is for good in a process: no test after this one could capture what is logged.
        patch.setattr(spine_service, "configure_logs", lambda *_: None)
        async with Lab(place, full=False).open() as opened:
            yield opened
    await remove(place)


@pytest.fixture
def run_small(lab):
    """Runs a scenario, `await run_small(verb, name)`, and fails when a promise does not hold."""

    async def run(verb, name):
        report = Report(verb, name, lab.seed)
        try:
            await importlib.import_module(f"benchmarks.{verb}.{name}").run(lab, report)
        finally:
            await lab.mend()
        assert report.rows
        assert not report.broken_promises()

    return run

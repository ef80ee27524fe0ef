"""A port that another program takes between its choice and its use."""

import socket
import sys
from contextlib import ExitStack

import pytest

from cli.layout import Layout
from cli.processes.launcher import StartFailed
from cli.processes.probes import answers
from cli.processes.process_table import ProcessTable
from cli.processes.specs import Spec
from cli.processes.supervisor import Supervisor
from cli.stack.definition import Stack
from cli.stack.port_choice import ATTEMPTS, start_on_free_ports


class Start:
    """Starts one web server; a thief takes its port after the first `stolen` choices."""

    def __init__(self, folder, stolen):
        self.layout = Layout(folder)
        self.layout.log.mkdir(parents=True)
        self.supervisor = Supervisor(ProcessTable(self.layout.processes), self.layout.log, print)
        self.chosen, self.stolen, self.thieves = [], stolen, ExitStack()

    async def plan(self, ports):
        port = ports["gateway"]
        self.chosen.append(port)
        if len(self.chosen) <= self.stolen:
            self.thieves.enter_context(socket.create_server(("127.0.0.1", port)))
        command = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))
        server = Spec("gateway", command, {}, ready=answers(f"http://127.0.0.1:{port}/"), folder=self.layout.folder)
        return Stack((server,), {"gateway": port})

    async def run(self):
        with self.thieves:
            try:
                return await start_on_free_ports(self.layout, self.supervisor, ["gateway"], self.plan)
            finally:
                await self.supervisor.stop()


async def test_another_port_is_chosen_when_one_is_in_use(tmp_path):
    start = Start(tmp_path / "state", stolen=1)
    started = await start.run()
    assert len(set(start.chosen)) == 2
    assert started.contract["gateway"] == start.chosen[1]


async def test_it_gives_up_in_the_end_and_says_what_failed(tmp_path):
    start = Start(tmp_path / "state", stolen=ATTEMPTS)
    with pytest.raises(StartFailed, match="Address already in use"):
        await start.run()
    assert len(set(start.chosen)) == ATTEMPTS


async def test_a_start_that_fails_for_another_reason_is_not_repeated(tmp_path):
    start = Start(tmp_path / "state", stolen=0)
    plan = start.plan

    async def broken(ports):
        planned = await plan(ports)
        return Stack((Spec("gateway", (sys.executable, "-c", "raise SystemExit(3)"), {}, planned.specs[0].ready),), {})

    start.plan = broken
    with pytest.raises(StartFailed, match="exit code 3"):
        await start.run()
    assert len(start.chosen) == 1

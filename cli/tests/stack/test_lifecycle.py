import subprocess
import sys

from cli.layout import Layout
from cli.processes.lock import holder
from cli.stack import lifecycle

LINGERS = """
import signal, sys, time
from pathlib import Path
from cli.processes.lock import held

signal.signal(signal.SIGTERM, lambda *_: sys.exit())
try:
    with held(Path(sys.argv[1]), "make up"):
        print("held", flush=True)
        signal.pause()
finally:
    time.sleep(1)
"""


def test_down_returns_when_the_process_that_ran_the_system_has_ended(tmp_path):
    layout = Layout(tmp_path)
    command = [sys.executable, "-c", LINGERS, str(layout.lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "held\n"
        found = holder(layout.lock)
        assert found is not None

        assert lifecycle.down(layout) == 0

        assert not found.running

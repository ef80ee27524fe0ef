"""The command itself: what it needs in order to run at all."""

import subprocess
import sys

from cli.operations.service_builders import BUILDS
from cli.operations.service_names import NAMES

LOADED = """
import sys
import cli.main
from cli.operations.service_names import NAMES
print(sorted(set(NAMES) & {name.partition(".")[0] for name in sys.modules}))
"""


def test_a_broken_service_keeps_nothing_from_being_stopped():
    # given `make down` runs this; when a service cannot even be imported, then it is none of its business
    said = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def test_every_service_can_be_built_by_its_name():
    assert tuple(BUILDS) == NAMES

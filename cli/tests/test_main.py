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


def test_the_command_imports_no_service():
    # given `make down` runs this; when a service cannot even be imported, then it is none of its business
    said = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def test_every_service_has_a_builder():
    assert tuple(BUILDS) == NAMES

"""Rule 17: each promise and each rule has a test named after it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"def test_((?:promise|rule)(?:_(?:and_)?\d\d)+)")
PROMISES = {*range(1, 17)} - {9, 11}
"""A full disk and a backlog of a million events are not for a laptop's test run."""
RULES = range(1, 17)


def named():
    """(kind, number) of every test that says so in its name."""
    found = set()
    for path in ROOT.glob("**/tests/**/test_*.py"):
        if ".venv" in path.parts or ".local" in path.parts:
            continue
        for name in NAME.findall(path.read_text()):
            kind, _, numbers = name.partition("_")
            found |= {(kind, int(number)) for number in re.findall(r"\d\d", numbers)}
    return found


@pytest.mark.parametrize(("kind", "numbers"), [("promise", PROMISES), ("rule", RULES)])
def test_rule_17_each_has_a_test_of_its_name(kind, numbers):
    found = {number for each, number in named() if each == kind}
    assert sorted(set(numbers) - found) == []

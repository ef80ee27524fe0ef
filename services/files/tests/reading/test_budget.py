"""The processor time that the kernel allows a child, by arithmetic: decoding before OCR is included."""

import subprocess
import sys
from itertools import accumulate, pairwise

import pytest

from files.reading import budget
from files.reading.limits import ReadLimits

LIMITS = ReadLimits()
STARTING = 2
"""Processor seconds of the child's imports, on a slow machine."""
DECODED = range(STARTING + LIMITS.hostile_seconds * 3 // 5 + 1)
"""What decoding can have cost when the first page needs OCR: it ends at three fifths of a hostile file's seconds."""
SHOW_LIMITS = """
import resource
from files.reading import budget
from files.reading.limits import ReadLimits
for number in (1, 2):
    budget.before_ocr_page(ReadLimits(), number)
    print(resource.getrlimit(resource.RLIMIT_CPU)[0])
"""


@pytest.mark.parametrize("used", DECODED)
def test_one_page_of_ocr_ends_within_the_seconds_of_a_hostile_file(used):
    end = budget.until(LIMITS, used, 1)

    assert used < end < LIMITS.hostile_seconds
    assert end - used <= LIMITS.ocr_page_seconds


@pytest.mark.parametrize("used", DECODED)
def test_each_further_page_adds_at_most_its_own_seconds(used):
    numbers = range(2, LIMITS.ocr_pages + 1)

    ends = list(accumulate(numbers, lambda end, number: budget.until(LIMITS, end, number), initial=used))

    assert all(after - before <= LIMITS.ocr_page_seconds for before, after in pairwise(ends))
    assert ends[-1] < LIMITS.hostile_seconds + (LIMITS.ocr_pages - 1) * LIMITS.ocr_page_seconds


def test_the_kernel_enforces_what_the_arithmetic_says():
    said = subprocess.run([sys.executable, "-c", SHOW_LIMITS], capture_output=True, text=True, check=True).stdout

    assert said.split() == ["18", "18"]

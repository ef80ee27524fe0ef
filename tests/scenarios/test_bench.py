"""The scenarios of `make bench`, small."""

import pytest

from benchmarks.__main__ import scenarios


@pytest.mark.timeout(300)  # the slowest takes 75 s where nothing else runs
@pytest.mark.parametrize("name", scenarios("bench"))
@pytest.mark.asyncio(loop_scope="package")
async def test_smoke(run_small, name):
    await run_small("bench", name)

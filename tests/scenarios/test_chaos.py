"""The scenarios of `make chaos`, small."""

import pytest

from benchmarks.__main__ import scenarios


@pytest.mark.timeout(900)  # three nodes of a cluster took 360 s at load 20; the others take a quarter
@pytest.mark.parametrize("name", scenarios("chaos"))
@pytest.mark.asyncio(loop_scope="module")
async def test_smoke(run_small, name):
    await run_small("chaos", name)

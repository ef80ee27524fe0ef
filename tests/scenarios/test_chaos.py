"""The scenarios of `make chaos`, small."""

import pytest

from benchmarks.__main__ import scenarios

FAILING = "cluster"
"""Not run here: tasks stay unfinished when a node of the broker dies (docs/operations.md, more than one machine)."""


@pytest.mark.timeout(300)  # the slowest takes 75 s where nothing else runs
@pytest.mark.parametrize("name", [name for name in scenarios("chaos") if name != FAILING])
@pytest.mark.asyncio(loop_scope="module")
async def test_smoke(run_small, name):
    await run_small("chaos", name)

"""Templates are checked in a child process: it is nice, and one that is killed is replaced."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from notifier.content import template_process
from notifier.content.template_process import run_in_child
from shared.http.preconditions import DecisionRefused


def refuse():
    raise DecisionRefused(422, "invalid", errors=[{"loc": ["body"]}])


async def test_trust_3_templates_are_checked_beside_the_service_in_a_nice_process():
    assert await run_in_child(os.getpid) != os.getpid()
    assert await run_in_child(os.nice, 0) == min(os.nice(0) + 5, 19)


async def test_a_killed_child_is_replaced():
    killed = await run_in_child(os.getpid)
    os.kill(killed, signal.SIGKILL)
    assert await run_in_child(os.getpid) != killed


async def test_a_refusal_comes_back_whole():
    with pytest.raises(DecisionRefused) as refused:
        await run_in_child(refuse)
    assert (refused.value.status_code, refused.value.code) == (422, "invalid")
    assert refused.value.more == {"errors": [{"loc": ["body"]}]}


async def test_work_that_waited_too_long_is_refused_and_never_begins(monkeypatch, tmp_path):
    await run_in_child(os.getpid)
    begun = tmp_path / "begun"
    with monkeypatch.context() as patch:
        patch.setattr(template_process, "PATIENCE_SECONDS", 0.2)
        # The executor has passed two more on to its child than the child works on; they cannot be withdrawn.
        before = [asyncio.create_task(run_in_child(time.sleep, 0.5)) for _ in range(3)]
        await asyncio.sleep(0.1)
        with pytest.raises(DecisionRefused) as refused:
            await run_in_child(Path.touch, begun)
        await asyncio.gather(*before, return_exceptions=True)
    assert refused.value.status_code == 503
    await run_in_child(os.getpid)  # after all that was accepted before
    assert not begun.exists()

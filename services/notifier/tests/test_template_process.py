"""Templates are checked in a child process: it is nice, and one that is killed is replaced."""

import os
import signal

import pytest

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

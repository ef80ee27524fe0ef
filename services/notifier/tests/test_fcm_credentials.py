"""When access tokens are fetched; clock and endpoint are under the test's control."""

import asyncio
import threading

import pytest
from google.auth.exceptions import RefreshError, TransportError

from notifier.providers.fcm_credentials import AccessTokens


class Endpoint:
    """Hands out t1, t2, …; `open` lets a fetch pass; `problem` is raised instead of an answer."""

    def __init__(self, lifetime=3600.0):
        self.now = 0.0
        self.lifetime = lifetime
        self.calls = 0
        self.problem = None
        self.open = threading.Event()
        self.open.set()

    def fetch(self):
        self.calls += 1
        number = self.calls
        assert self.open.wait(5)
        if self.problem:
            raise self.problem
        return f"t{number}", self.lifetime

    def clock(self):
        return self.now


@pytest.fixture
async def endpoint():
    made = Endpoint()
    yield made
    made.open.set()


@pytest.fixture
async def tokens(endpoint):
    made = AccessTokens(endpoint.fetch, endpoint.clock)
    yield made
    endpoint.open.set()
    await made.close()


async def test_callers_share_one_token_fetch(endpoint, tokens):
    found = await asyncio.gather(*(tokens.bearer() for _ in range(50)))
    assert set(found) == {"t1"}
    assert endpoint.calls == 1


async def test_callers_do_not_wait_for_an_early_renewal(endpoint, tokens):
    await tokens.bearer()
    # given the token ends in four minutes and the endpoint does not answer
    endpoint.now = 3600 - 240
    endpoint.open.clear()
    # then callers go on with it, and one fetch is under way
    async with asyncio.timeout(1):
        assert [await tokens.bearer() for _ in range(3)] == ["t1"] * 3
    # when the answer comes, the next caller has the new one
    endpoint.open.set()
    await tokens.close()
    assert await tokens.bearer() == "t2"
    assert endpoint.calls == 2


async def test_a_failed_renewal_is_repeated_after_a_pause_and_the_old_token_is_used(endpoint, tokens):
    await tokens.bearer()
    endpoint.now = 3600 - 240
    endpoint.problem = TransportError("away")
    await tokens.bearer()
    await tokens.close()
    assert [await tokens.bearer() for _ in range(5)] == ["t1"] * 5
    assert endpoint.calls == 2
    # until the pause is over
    endpoint.problem = None
    endpoint.now += 11
    await tokens.bearer()
    await tokens.close()
    assert await tokens.bearer() == "t3"


@pytest.mark.parametrize("lifetime", [1.0, 60.0, 299.0])
async def test_a_short_lived_token_is_used_before_it_is_renewed(endpoint, tokens, lifetime):
    endpoint.lifetime = lifetime
    for _ in range(20):
        assert await tokens.bearer() == "t1"
    assert endpoint.calls == 1


async def test_an_expired_token_is_never_used(endpoint, tokens):
    await tokens.bearer()
    endpoint.now = 3601
    assert await tokens.bearer() == "t2"


async def test_a_failed_fetch_raises_for_every_caller(endpoint, tokens):
    endpoint.problem = RefreshError("refused", retryable=False)
    found = await asyncio.gather(*(tokens.bearer() for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [RefreshError] * 3
    assert endpoint.calls == 1


async def test_a_cancelled_caller_does_not_cancel_the_fetch_of_others(endpoint, tokens):
    endpoint.open.clear()
    first, second = asyncio.create_task(tokens.bearer()), asyncio.create_task(tokens.bearer())
    while not endpoint.calls:
        await asyncio.sleep(0)
    first.cancel()
    endpoint.open.set()
    assert await second == "t1"


async def test_only_the_refused_token_is_dropped(endpoint, tokens):
    old = await tokens.bearer()
    tokens.mark_accepted(old)
    assert tokens.mark_refused(old) == "transient"
    assert await tokens.bearer() == "t2"
    # a late refusal of the old one
    assert tokens.mark_refused(old) == "transient"
    assert await tokens.bearer() == "t2"


async def test_a_refused_replacement_token_is_config(endpoint, tokens):
    tokens.mark_refused(await tokens.bearer())
    second = await tokens.bearer()
    assert [tokens.mark_refused(second), tokens.mark_refused(second)] == ["config", "config"]


async def test_a_replacement_that_was_accepted_may_be_refused_once(endpoint, tokens):
    tokens.mark_refused(await tokens.bearer())
    second = await tokens.bearer()
    tokens.mark_accepted(second)
    assert tokens.mark_refused(second) == "transient"

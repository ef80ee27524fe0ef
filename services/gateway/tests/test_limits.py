"""Limits: so many at once, so many a second, shared between gateways; the answer says when to go on."""

from uuid import uuid4

import pytest

from gateway.security.rate_limits import Rate, RateLimiter


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def taken(limits, times, *wanted):
    granted = [limits.acquire(wanted) for _ in range(times)]
    return sum(each.wait == 0 for each in granted)


def test_a_burst_is_granted_then_the_rate(clock):
    limits = RateLimiter({"caller": Rate(2, 10)}, clock)
    assert taken(limits, 20, ("caller", "ada")) == 10
    assert taken(limits, 20, ("caller", "bob")) == 10
    clock.now = 3.0
    assert taken(limits, 20, ("caller", "ada")) == 6
    assert limits.acquire([("caller", "ada")]).wait == pytest.approx(0.5)


def test_a_request_that_one_limit_refuses_does_not_count_for_the_other(clock):
    limits = RateLimiter({"caller": Rate(1, 5), "school": Rate(1, 8)}, clock)
    assert taken(limits, 7, ("caller", "ada"), ("school", "one")) == 5
    assert taken(limits, 7, ("caller", "bob"), ("school", "one")) == 3
    assert taken(limits, 7, ("caller", "bob"), ("school", "two")) == 2


def test_gateways_that_are_alive_share_a_limit(clock):
    limits = RateLimiter({"caller": Rate(8, 40)}, clock)
    for number in range(4):
        limits.on_heartbeat({"service": "gateway", "worker": f"gateway-{number}", "every_seconds": 5})
    limits.on_heartbeat({"service": "notifier", "worker": "notifier-1", "every_seconds": 5})
    assert taken(limits, 50, ("caller", "ada")) == 10
    clock.now = 1.0
    assert taken(limits, 50, ("caller", "ada")) == 2
    clock.now = 20.0  # three beats missed: they are gone
    assert taken(limits, 100, ("caller", "bob")) == 40


def test_no_rate_is_no_limit(clock):
    assert RateLimiter({"caller": Rate(0, 1)}, clock).acquire([("caller", "ada")]) is None


@pytest.mark.asyncio(loop_scope="module")
async def test_too_many_requests_are_429_with_a_time_to_go_on(backing, gateway, serve):
    school = await gateway.add_school()
    async with serve(backing, rate_caller=0.01, burst_caller=3, rate_school=0.01, burst_school=5) as limited:
        ada, bob = uuid4(), uuid4()
        mine = [await limited.ask("GET", "/v1/people", "staff", school, ada) for _ in range(4)]
        assert [answer.status_code for answer in mine] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit-remaining"] for answer in mine] == ["2", "1", "0", "0"]
        assert (mine[-1].json()["code"], int(mine[-1].headers["retry-after"]) >= 90) == ("rate_limited", True)
        # the school's limit is common to all of its people
        others = [await limited.ask("GET", "/v1/people", "staff", school, bob) for _ in range(3)]
        assert [answer.status_code for answer in others] == [200, 200, 429]
        assert (await limited.ask("GET", "/v1/people", "staff", await gateway.add_school(), bob)).status_code == 200


@pytest.mark.asyncio(loop_scope="module")
async def test_sign_ins_are_limited_by_address(backing, serve):
    async with serve(backing, rate_address=0.01, burst_address=2) as limited:
        body = {"refresh_token": "unknown"}
        answers = [await limited.client.post("/v1/sessions/refresh", json=body) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 429]


@pytest.mark.asyncio(loop_scope="module")
async def test_unknown_keys_and_refused_requests_are_limited(backing, gateway, serve):
    school = await gateway.add_school()
    limits = {"rate_unknown_key": 0.01, "burst_unknown_key": 3, "rate_refused": 0.01, "burst_refused": 5}
    async with serve(backing, **limits) as limited:
        unknown = [
            await limited.client.get("/v1/people", headers={"Authorization": f"Bearer sck_{uuid4().hex}"})
            for _ in range(5)
        ]
        assert [answer.status_code for answer in unknown] == [401, 401, 401, 429, 429]
        person = uuid4()
        refused = [await limited.ask("GET", "/v1/people", "guardian", school, person) for _ in range(7)]
        assert [answer.status_code for answer in refused] == [403] * 5 + [429] * 2
        # what is allowed goes on
        assert (await limited.ask("GET", "/v1/me/devices", "guardian", school, person)).status_code == 200

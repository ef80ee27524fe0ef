"""The state machine: what may become of a delivery, whatever the providers say."""

import itertools
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.circuit_breaker import CONFIG_FAILURES_TO_OPEN, FAILURES_TO_OPEN, MAX_PAUSE, CircuitBreaker
from notifier.domain.delivery import (
    BACKOFF_MAX_SECONDS,
    CONFIG_RETRY_SECONDS,
    FINAL_STATES,
    INITIAL_STATES,
    MAX_NOT_COUNTED,
    MAX_REFUSALS,
    MAX_UNANSWERED,
    NOT_COUNTED,
    TRANSITIONS,
    UNHEALTHY,
    Attempts,
    OutcomeKind,
    backoff,
    judge,
    should_suppress,
)

KINDS = st.sampled_from(get_args(OutcomeKind))
JITTER = st.floats(0, 1, exclude_max=True)
WAIT = st.none() | st.floats(0, 86_400)
ATTEMPTS = st.builds(
    lambda unanswered, not_counted, others: Attempts(unanswered + not_counted + others, unanswered, not_counted),
    st.integers(0, 50),
    st.integers(0, 2000),
    st.integers(0, 300),
).filter(lambda attempts: attempts.total > 0)
ANSWERS = st.tuples(KINDS.filter(lambda kind: kind not in NOT_COUNTED), WAIT, JITTER)


@given(kind=KINDS, attempts=ATTEMPTS, wait=WAIT, jitter=JITTER)
def test_a_verdict_is_an_allowed_transition(kind, attempts, wait, jitter):
    assert judge(kind, "why", attempts, wait, jitter).state in TRANSITIONS["sending"]


@given(kind=KINDS, attempts=ATTEMPTS, wait=st.floats(0, 86_400), jitter=JITTER)
def test_retry_after_is_a_minimum(kind, attempts, wait, jitter):
    verdict = judge(kind, "why", attempts, wait, jitter)
    if verdict.state == "pending":
        assert verdict.due_in >= wait
        assert kind in ("config", "withheld") or verdict.due_in >= backoff(attempts.used_and_allowed(kind)[0], jitter)
    else:
        assert verdict.due_in == 0


@given(answers=st.lists(ANSWERS, min_size=1, max_size=8))
def test_attempts_always_end(answers):
    state, unanswered = "pending", 0
    most = MAX_REFUSALS + MAX_UNANSWERED
    for attempts, (kind, wait, jitter) in zip(range(1, most), itertools.cycle(answers), strict=False):
        unanswered += kind == "unknown"
        state = judge(kind, "why", Attempts(attempts, unanswered), wait, jitter).state
        if state != "pending":
            break
    assert state in FINAL_STATES


@given(attempts=ATTEMPTS, wait=WAIT, jitter=JITTER)
def test_accepted_ends_a_delivery_whatever_came_before(attempts, wait, jitter):
    verdict = judge("accepted", "", attempts, wait, jitter)
    assert (verdict.state, verdict.reason) == ("accepted", None)


@given(wait=WAIT, jitter=JITTER)
def test_the_last_unanswered_call_is_unknown_and_the_last_refusal_failed(wait, jitter):
    assert judge("unknown", "r", Attempts(MAX_UNANSWERED, MAX_UNANSWERED), wait, jitter).state == "unknown"
    assert judge("transient", "r", Attempts(MAX_REFUSALS, 0), wait, jitter).state == "failed"


@given(jitter=JITTER)
def test_temporary_refusals_are_retried_for_a_day(jitter):
    assert sum(backoff(attempts, 0.0) for attempts in range(1, MAX_REFUSALS)) > 12 * 3600


@given(kind=st.sampled_from(("transient", "unknown", "throttled", "config")), attempts=ATTEMPTS, jitter=JITTER)
def test_each_kind_of_answer_has_a_limit_of_its_own(kind, attempts, jitter):
    spent, most = attempts.used_and_allowed(kind)
    verdict = judge(kind, "r", attempts, None, jitter)
    assert (verdict.state == "pending") == (spent < most)
    assert verdict.state in ("pending", "unknown" if kind == "unknown" else "failed")


@given(jitter=JITTER)
def test_a_day_of_wrong_credentials_uses_no_attempts(jitter):
    after = Attempts(MAX_NOT_COUNTED, unanswered=0, not_counted=MAX_NOT_COUNTED - 1)
    assert judge("transient", "r", after, None, jitter) == judge("transient", "r", Attempts(1), None, jitter)


@given(jitter=JITTER)
def test_wrong_credentials_are_retried_once_a_minute(jitter):
    assert judge("config", "r", Attempts(1, 0, 1), None, jitter).due_in >= CONFIG_RETRY_SECONDS / 2


@given(attempts=st.integers(1, 1000), jitter=JITTER)
def test_backoff_is_bounded_and_spread(attempts, jitter):
    assert 0 <= backoff(attempts, jitter) <= BACKOFF_MAX_SECONDS
    assert backoff(attempts, 0.0) == backoff(attempts, 1.0) / 2
    assert backoff(attempts + 1, jitter) >= backoff(attempts, jitter)


def test_transitions_are_closed_and_final_states_lead_only_to_read():
    assert {onward for moves in TRANSITIONS.values() for onward in moves} <= TRANSITIONS.keys()
    assert all(TRANSITIONS[state] <= {"read"} for state in FINAL_STATES)
    assert TRANSITIONS.keys() - FINAL_STATES == {"pending", "held", "sending"}
    assert TRANSITIONS.keys() >= INITIAL_STATES


@pytest.mark.parametrize(
    ("reason", "times", "expected"),
    [("smtp_550_5.1.1", 1, True), ("smtp_550", 1, False), ("smtp_550", 3, True), ("smtp_550_5.7.1", 1, False)],
)
def test_a_certain_or_repeated_bounce_suppresses_an_address(reason, times, expected):
    assert should_suppress(reason, times) is expected


@given(st.lists(st.tuples(KINDS.filter(lambda k: k != "withheld"), WAIT, st.floats(0, 5)), max_size=200))
def test_a_circuit_breaker_always_probes_again_and_never_before_retry_after(answers):
    breaker, now, floor = CircuitBreaker(), 0.0, 0.0
    for nth, (kind, wait, step) in enumerate(answers):
        now += step
        admission = breaker.admit(now)
        if admission == "blocked":
            # then: it says when to come again, and one call goes through by then
            assert breaker.seconds_until_retry(now) <= max(MAX_PAUSE, floor - now)
            now += breaker.seconds_until_retry(now)
            admission = breaker.admit(now)
        assert admission == "probe" if breaker.is_open else admission == "allowed"
        assert admission == "allowed" or now >= floor
        breaker.record(kind, "r", wait, now, admission=admission, recipient=str(nth))
        floor = now + (wait or 0.0) if breaker.is_open and kind in UNHEALTHY else 0.0


@pytest.mark.parametrize(("kind", "run"), [("transient", FAILURES_TO_OPEN), ("config", CONFIG_FAILURES_TO_OPEN)])
def test_a_run_of_failures_opens_the_circuit_and_one_probe_closes_it(kind, run):
    breaker = CircuitBreaker()
    opened = [breaker.record(kind, "r", None, 0.0, admission=breaker.admit(0.0), recipient=str(n)) for n in range(run)]
    assert opened == [False] * (run - 1) + [True]
    assert breaker.admit(0.1) == "blocked"
    later = breaker.seconds_until_retry(0.0)
    assert [breaker.admit(later), breaker.admit(later)] == ["probe", "blocked"]
    breaker.record("accepted", "", None, later, admission="probe", recipient="a")
    assert breaker.admit(later) == "allowed"


@pytest.mark.parametrize("kind", ["transient", "throttled", "unknown", "config"])
def test_trust_9_what_two_recipients_provoke_does_not_open_the_circuit(kind):
    breaker = CircuitBreaker()
    for n in range(500):
        assert breaker.admit(0.0) == "allowed"
        assert not breaker.record(kind, "r", None, 0.0, admission="allowed", recipient=f"{n % 2}")
    # and a third one is the evidence that it is the provider
    assert breaker.record(kind, "r", None, 0.0, admission="allowed", recipient="other")
    assert breaker.is_open


def test_trust_9_an_answer_that_works_clears_the_evidence():
    breaker = CircuitBreaker()
    for n in range(FAILURES_TO_OPEN - 1):
        breaker.record("transient", "r", None, 0.0, admission="allowed", recipient=f"{n}")
    breaker.record("accepted", "", None, 0.0, admission="allowed", recipient="a")
    for _ in range(FAILURES_TO_OPEN):
        assert not breaker.record("transient", "r", None, 0.0, admission="allowed", recipient="b")

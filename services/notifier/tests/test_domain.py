"""The state machine: what may become of a delivery, whatever the providers say."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from notifier.domain import (
    CONFIG_SECONDS,
    FINAL,
    LONGEST_SECONDS,
    MAX_ATTEMPTS,
    MAX_CONFIG_ATTEMPTS,
    MOVES,
    OutcomeKind,
    backoff,
    judge,
)

KINDS = st.sampled_from(get_args(OutcomeKind))
LUCK = st.floats(0, 1, exclude_max=True)
WAIT = st.none() | st.floats(0, 86_400)
ANSWER = st.tuples(KINDS.filter(lambda kind: kind != "config"), WAIT, LUCK)


@given(kind=KINDS, attempts=st.integers(1, 50), wait=WAIT, luck=LUCK)
def test_a_verdict_is_an_allowed_move(kind, attempts, wait, luck):
    assert judge(kind, "why", attempts, wait, luck).state in MOVES["sending"]


@given(kind=KINDS, attempts=st.integers(1, 50), wait=st.floats(0, 86_400), luck=LUCK)
def test_retry_after_is_a_floor(kind, attempts, wait, luck):
    verdict = judge(kind, "why", attempts, wait, luck)
    if verdict.state == "pending":
        assert verdict.due_in >= wait
        assert kind == "config" or verdict.due_in >= backoff(attempts, luck)
    else:
        assert verdict.due_in == 0


@given(answers=st.lists(ANSWER, min_size=MAX_ATTEMPTS, max_size=MAX_ATTEMPTS))
def test_attempts_end(answers):
    state = "pending"
    for attempts, (kind, wait, luck) in enumerate(answers, start=1):
        state = judge(kind, "why", attempts, wait, luck).state
        if state != "pending":
            break
    assert state in FINAL


@given(before=st.lists(ANSWER, max_size=MAX_ATTEMPTS - 1), wait=WAIT, luck=LUCK)
def test_accepted_is_the_end_whatever_came_before(before, wait, luck):
    verdict = judge("accepted", "", len(before) + 1, wait, luck)
    assert (verdict.state, verdict.reason) == ("accepted", None)


@given(wait=WAIT, luck=LUCK)
def test_silence_ends_as_unknown_and_a_refusal_as_failed(wait, luck):
    assert judge("unknown", "r", MAX_ATTEMPTS, wait, luck).state == "unknown"
    assert judge("transient", "r", MAX_ATTEMPTS, wait, luck).state == "failed"


@given(attempts=st.integers(1, MAX_CONFIG_ATTEMPTS - 1), luck=LUCK)
def test_wrong_credentials_end_no_delivery_for_a_day(attempts, luck):
    verdict = judge("config", "r", attempts, None, luck)
    assert verdict.state == "pending"
    assert verdict.due_in >= CONFIG_SECONDS / 2
    assert judge("config", "r", MAX_CONFIG_ATTEMPTS, None, luck).state == "failed"


@given(attempts=st.integers(1, 1000), luck=LUCK)
def test_backoff_is_bounded_and_spread(attempts, luck):
    assert 0 <= backoff(attempts, luck) <= LONGEST_SECONDS
    assert backoff(attempts, 0.0) == backoff(attempts, 1.0) / 2
    assert backoff(attempts + 1, luck) >= backoff(attempts, luck)


def test_the_machine_is_closed_and_final_states_lead_nowhere_but_to_read():
    assert {onward for moves in MOVES.values() for onward in moves} <= MOVES.keys()
    assert all(MOVES[state] <= {"read"} for state in FINAL)
    assert MOVES.keys() - FINAL == {"pending", "held", "sending"}

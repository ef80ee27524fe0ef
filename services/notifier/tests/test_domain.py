"""The state machine: what may become of a delivery, whatever the providers say."""

import itertools
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.circuit_breaker import CONFIG_IN_A_ROW, IN_A_ROW, LONGEST_PAUSE, Breaker
from notifier.domain.delivery import (
    CONFIG_SECONDS,
    FINAL,
    LONGEST_SECONDS,
    MAX_ATTEMPTS,
    MAX_PATIENCE,
    MOST_SILENT,
    MOVES,
    PATIENT,
    STARTS,
    UNWELL,
    OutcomeKind,
    Tries,
    backoff,
    judge,
    suppresses,
)

KINDS = st.sampled_from(get_args(OutcomeKind))
LUCK = st.floats(0, 1, exclude_max=True)
WAIT = st.none() | st.floats(0, 86_400)
TRIES = st.builds(
    lambda silent, patient, others: Tries(silent + patient + others, silent, patient),
    st.integers(0, 50),
    st.integers(0, 2000),
    st.integers(0, 300),
).filter(lambda tries: tries.attempts > 0)
ANSWER = st.tuples(KINDS.filter(lambda kind: kind not in PATIENT), WAIT, LUCK)


@given(kind=KINDS, tries=TRIES, wait=WAIT, luck=LUCK)
def test_a_verdict_is_an_allowed_move(kind, tries, wait, luck):
    assert judge(kind, "why", tries, wait, luck).state in MOVES["sending"]


@given(kind=KINDS, tries=TRIES, wait=st.floats(0, 86_400), luck=LUCK)
def test_retry_after_is_a_floor(kind, tries, wait, luck):
    verdict = judge(kind, "why", tries, wait, luck)
    if verdict.state == "pending":
        assert verdict.due_in >= wait
        assert kind in ("config", "withheld") or verdict.due_in >= backoff(tries.of(kind)[0], luck)
    else:
        assert verdict.due_in == 0


@given(answers=st.lists(ANSWER, min_size=1, max_size=8))
def test_attempts_end(answers):
    state, silent = "pending", 0
    most = MAX_ATTEMPTS + MOST_SILENT
    for attempts, (kind, wait, luck) in zip(range(1, most), itertools.cycle(answers), strict=False):
        silent += kind == "unknown"
        state = judge(kind, "why", Tries(attempts, silent), wait, luck).state
        if state != "pending":
            break
    assert state in FINAL


@given(tries=TRIES, wait=WAIT, luck=LUCK)
def test_accepted_is_the_end_whatever_came_before(tries, wait, luck):
    verdict = judge("accepted", "", tries, wait, luck)
    assert (verdict.state, verdict.reason) == ("accepted", None)


@given(wait=WAIT, luck=LUCK)
def test_silence_ends_as_unknown_and_a_refusal_as_failed(wait, luck):
    assert judge("unknown", "r", Tries(MOST_SILENT, MOST_SILENT), wait, luck).state == "unknown"
    assert judge("transient", "r", Tries(MAX_ATTEMPTS, 0), wait, luck).state == "failed"


@given(luck=LUCK)
def test_refusals_for_now_are_tried_for_a_day(luck):
    assert sum(backoff(attempts, 0.0) for attempts in range(1, MAX_ATTEMPTS)) > 12 * 3600


@given(kind=st.sampled_from(("transient", "unknown", "throttled", "config")), tries=TRIES, luck=LUCK)
def test_a_kind_of_answer_uses_up_nothing_of_another_ones(kind, tries, luck):
    spent, most = tries.of(kind)
    verdict = judge(kind, "r", tries, None, luck)
    assert (verdict.state == "pending") == (spent < most)
    assert verdict.state in ("pending", "unknown" if kind == "unknown" else "failed")


@given(luck=LUCK)
def test_a_day_of_wrong_credentials_leaves_all_attempts_and_the_shortest_wait(luck):
    after = Tries(MAX_PATIENCE, silent=0, patient=MAX_PATIENCE - 1)
    assert judge("transient", "r", after, None, luck) == judge("transient", "r", Tries(1), None, luck)


@given(luck=LUCK)
def test_wrong_credentials_are_asked_about_once_a_minute(luck):
    assert judge("config", "r", Tries(1, 0, 1), None, luck).due_in >= CONFIG_SECONDS / 2


@given(attempts=st.integers(1, 1000), luck=LUCK)
def test_backoff_is_bounded_and_spread(attempts, luck):
    assert 0 <= backoff(attempts, luck) <= LONGEST_SECONDS
    assert backoff(attempts, 0.0) == backoff(attempts, 1.0) / 2
    assert backoff(attempts + 1, luck) >= backoff(attempts, luck)


def test_the_machine_is_closed_and_final_states_lead_nowhere_but_to_read():
    assert {onward for moves in MOVES.values() for onward in moves} <= MOVES.keys()
    assert all(MOVES[state] <= {"read"} for state in FINAL)
    assert MOVES.keys() - FINAL == {"pending", "held", "sending"}
    assert MOVES.keys() >= STARTS


@pytest.mark.parametrize(
    ("reason", "times", "expected"),
    [("smtp_550_5.1.1", 1, True), ("smtp_550", 1, False), ("smtp_550", 3, True), ("smtp_550_5.7.1", 1, False)],
)
def test_an_address_is_left_alone_when_it_is_certain_or_comes_again(reason, times, expected):
    assert suppresses(reason, times) is expected


@given(st.lists(st.tuples(KINDS.filter(lambda k: k != "withheld"), WAIT, st.floats(0, 5)), max_size=200))
def test_a_breaker_withholds_no_call_for_ever_and_never_asks_before_retry_after(answers):
    breaker, now, floor = Breaker(), 0.0, 0.0
    for kind, wait, step in answers:
        now += step
        admitted = breaker.admit(now)
        if admitted == "closed":
            # then: it says when to come again, and one call goes through by then
            assert breaker.waits(now) <= max(LONGEST_PAUSE, floor - now)
            now += breaker.waits(now)
            admitted = breaker.admit(now)
        assert admitted == "probe" if breaker.is_open else admitted == "open"
        assert admitted == "open" or now >= floor
        breaker.record(kind, "r", wait, now, admitted=admitted)
        floor = now + (wait or 0.0) if breaker.is_open and kind in UNWELL else 0.0


@pytest.mark.parametrize(("kind", "run"), [("transient", IN_A_ROW), ("config", CONFIG_IN_A_ROW)])
def test_a_run_of_bad_answers_opens_the_breaker_and_one_probe_closes_it(kind, run):
    breaker = Breaker()
    opened = [breaker.record(kind, "r", None, 0.0, admitted=breaker.admit(0.0)) for _ in range(run)]
    assert opened == [False] * (run - 1) + [True]
    assert breaker.admit(0.1) == "closed"
    later = breaker.waits(0.0)
    assert [breaker.admit(later), breaker.admit(later)] == ["probe", "closed"]
    breaker.record("accepted", "", None, later, admitted="probe")
    assert breaker.admit(later) == "open"

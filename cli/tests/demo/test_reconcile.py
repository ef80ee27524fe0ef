import pytest

from cli.demo.client import Sent, Task, share
from cli.demo.reconcile import balance, finished_share, outcome, settled, summary

GRADE = Sent(
    "n1",
    "completed",
    planned=30,
    counts={
        "push": {"accepted": 6, "read": 1, "failed": 1, "suppressed": 2},
        "mail": {"accepted": 9, "suppressed": 1},
        "inbox": {"accepted": 10},
    },
)
ALONE = Sent(
    "n2", "completed", planned=3, counts={"push": {"accepted": 1}, "mail": {"held": 1}, "inbox": {"expired": 1}}
)
BEFORE = {"push": 100, "mail": 50}


def test_equal_figures_reconcile():
    result = balance([GRADE, ALONE], BEFORE, {"push": 108, "mail": 59})
    push, mail, inbox = result.lines
    assert (push.planned, push.accepted, push.failed, push.suppressed, push.received) == (11, 8, 1, 2, 8)
    assert (mail.planned, mail.accepted, mail.held, mail.received) == (11, 9, 1, 9)
    assert (inbox.planned, inbox.other, inbox.received) == (11, 1, None)
    assert result.planned == result.counted == 33
    assert result.reconciles
    assert summary(result) == (
        "planned 33 = 27 accepted + 1 failed + 3 suppressed + 1 held + 1 other; "
        "the fakes received 8 push, 9 mail: reconciles"
    )


@pytest.mark.parametrize("after", [{"push": 109, "mail": 59}, {"push": 107, "mail": 59}, {"push": 108, "mail": 50}])
def test_a_fake_that_received_more_or_less_does_not_reconcile(after):
    result = balance([GRADE, ALONE], BEFORE, after)
    assert not result.reconciles
    assert "DOES NOT RECONCILE" in summary(result)


@pytest.mark.parametrize("planned", [29, 31, None, 0])
def test_a_total_that_differs_from_the_sum_does_not_reconcile(planned):
    sent = Sent(GRADE.id, GRADE.state, planned, GRADE.counts)
    assert not balance([sent], {"push": 0, "mail": 0}, {"push": 7, "mail": 9}).reconciles


def test_an_unknown_channel_does_not_reconcile():
    sent = Sent("n", "completed", 2, {"push": {"accepted": 1}, "pigeon": {"accepted": 1}})
    assert not balance([sent], {"push": 0}, {"push": 1}).reconciles


def test_nothing_sent_does_not_reconcile():
    assert not balance([Sent("n", "completed", 0, {})], {}, {}).reconciles
    assert not balance([], {}, {}).reconciles


def test_without_fakes_only_the_gateways_figures_count():
    assert balance([GRADE], {}, {}).reconciles


@pytest.mark.parametrize(
    ("sent", "is_settled", "done"),
    [
        (Sent("n", "accepted", None, {}), False, 0),
        (Sent("n", "sending", 4, {"push": {"accepted": 1, "pending": 2, "sending": 1}}), False, 0.25),
        (Sent("n", "sending", 4, {"push": {"accepted": 3, "held": 1}}), True, 0.75),
        (Sent("n", "sending", 4, {"push": {"held": 1, "pending": 3}}), False, 0),
        (Sent("n", "sending", 4, {"push": {"accepted": 4}}), False, 1),
        (Sent("n", "completed", 4, {"push": {"accepted": 4}}), True, 1),
        (Sent("n", "cancelled", 4, {"push": {"cancelled": 4}}), True, 1),
    ],
)
def test_a_notification_is_settled_when_nothing_moves(sent, is_settled, done):
    assert settled(sent) is is_settled
    assert finished_share(sent) == done


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("accepted", "wait"),
        ("queued", "wait"),
        ("running", "wait"),
        ("retrying", "wait"),
        ("succeeded", "go on"),
        ("failed", "stop"),
        ("cancelled", "stop"),
    ],
)
def test_only_a_final_task_ends_the_wait(state, expected):
    assert outcome(Task("t", state)) == expected


@pytest.mark.parametrize(
    ("progress", "expected"), [(None, 0), (0.5, 0.5), ({"done": 1, "total": 4}, 0.25), ({"done": 3, "total": 0}, 0)]
)
def test_progress_is_a_share_or_a_pair(progress, expected):
    assert share(progress) == expected
    assert Task.parse({"id": "t", "state": "running", "progress": progress}).progress == expected

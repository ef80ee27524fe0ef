"""Changes that fit to a schedule, and changes that do not."""

import datetime as dt

import pytest

from shared.events.schedule_rules import OnceRule

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = dt.timedelta(hours=1)


async def test_single_send_cannot_be_moved_past_its_expiry(scheduler):
    """Otherwise it would expire unsent, and its task would fail."""
    # given
    school, now = await scheduler.school(), await scheduler.now()
    ends = (now + 2 * HOUR).isoformat()
    event = await scheduler.add(OnceRule(at=now + HOUR), school, message={"expires_at": ends})
    # when
    answers = [
        await scheduler.ask(
            "PATCH",
            f"/{event.schedule_id}",
            school,
            json={"rule": {"kind": "once", "at": (now + hours * HOUR).isoformat()}},
        )
        for hours in (3, 1.5)
    ]
    # then
    assert [answer.status_code for answer in answers] == [422, 200]
    (error,) = answers[0].json()["detail"]["errors"]
    assert error["loc"] == ["body", "expires_at"]
    row = await scheduler.row(event.schedule_id)
    assert (row["due_at"], row["version"]) == (now + 1.5 * HOUR, 2)

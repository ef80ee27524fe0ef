"""Promise 1 is counted: every number is 0 while sends run and end, and says so when a row is broken."""

import pytest

BREAKS = {
    "planned_count_differs": "UPDATE notification SET planned = planned + 1",
    "outstanding_count_differs": "UPDATE notification SET outstanding = outstanding + 1, state = 'sending'",
}


async def test_promise_01_nothing_is_broken_while_a_send_is_planned_performed_and_over(harness):
    school = await harness.add_school()
    for name in ("ada", "bob"):
        await harness.add_person(school, mails=(f"{name}@example.org",), tokens=(f"token-{name}",))
    await harness.plan(school)
    count = harness.service.invariant_checker.count
    while_open = await count()
    assert set(BREAKS) < set(while_open)
    assert not any(while_open.values())
    await harness.run_permits()
    assert not any((await count()).values())


@pytest.mark.parametrize("invariant", BREAKS)
async def test_promise_01_a_broken_row_is_counted_and_exported(harness, invariant):
    # given
    school = await harness.add_school()
    await harness.add_person(school, mails=("ada@example.org",))
    await harness.plan(school)
    await harness.run_permits()
    # when
    await harness.execute(BREAKS[invariant])
    # then
    found = await harness.service.invariant_checker.count()
    assert {name for name, violations in found.items() if violations} == {invariant}
    assert harness.service.metrics.violations.labels(invariant)._value.get() == 1

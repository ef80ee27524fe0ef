"""A rejected configuration: the task reports it, nothing is lost, and no delivery uses an attempt."""

from notifier.providers import Outcome

TRIED = "SELECT attempts, silent, patient, state FROM delivery WHERE notification_id = %s"


async def test_a_rejected_configuration_warns_and_uses_no_attempts(open_harness):
    wrong = True
    harness = await open_harness(mail=lambda _: Outcome("config", "smtp_535") if wrong else Outcome("accepted"))
    school = await harness.add_school()
    for n in range(6):
        await harness.add_person(school, mails=(f"p{n}@example.org",))
    notification = await harness.plan(school, channels=("mail",))
    breaker = harness.providers.limiters["mail"].breaker
    # when it is asked for a while
    for _ in range(4):
        await harness.run_permits()
        await harness.execute("UPDATE delivery SET due_at = clock_timestamp() WHERE state = 'pending'")
        breaker.open_until = 0.0
    await harness.run_permits()
    # then the task says why nothing moves, and no ordinary attempt is used up
    task = await harness.task(notification)
    assert task["state"] == "retrying"
    assert "rejects our configuration (smtp_535)" in task["error"]
    rows = await harness.rows(TRIED, (notification,))
    assert {row["state"] for row in rows} == {"pending"}
    assert [row["attempts"] - row["patient"] for row in rows] == [0] * 6
    assert sum(row["patient"] for row in rows) >= 6
    # when the configuration is corrected
    wrong, breaker.open_until = False, 0.0
    await harness.run_to_end()
    assert await harness.states(notification) == {"mail": {"accepted": 6}}
    task = await harness.task(notification)
    assert (task["state"], task["error"]) == ("succeeded", None)


async def test_the_first_rejection_is_reported_immediately(open_harness):
    """A single message would be refused for minutes before the provider is left alone."""
    harness = await open_harness(push=lambda _: Outcome("config", "SENDER_ID_MISMATCH"))
    school = await harness.add_school()
    await harness.add_person(school, tokens=("a-token",))
    notification = await harness.plan(school, channels=("push",))
    await harness.run_permits()
    task = await harness.task(notification)
    assert task["state"] == "retrying"
    assert "push: the provider rejects our configuration (SENDER_ID_MISMATCH)" in task["error"]


async def test_each_kind_of_answer_is_counted_separately(open_harness):
    answers = iter(["config", "throttled", "unknown", "transient"])
    harness = await open_harness(push=lambda _: Outcome(next(answers, "accepted"), "why"))
    school = await harness.add_school()
    await harness.add_person(school, tokens=("a-token",))
    notification = await harness.plan(school, channels=("push",))
    await harness.run_to_end()
    (row,) = await harness.rows(TRIED, (notification,))
    assert row == {"attempts": 5, "silent": 1, "patient": 2, "state": "accepted"}

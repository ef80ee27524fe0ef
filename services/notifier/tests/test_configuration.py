"""Our own configuration is refused: somebody is told, nothing is lost, and no delivery pays for it."""

from notifier.providers import Outcome

TRIED = "SELECT attempts, silent, patient, state FROM delivery WHERE notification_id = %s"


async def test_a_config_error_alerts_and_burns_no_attempts(open_house):
    wrong = True
    house = await open_house(mail=lambda _: Outcome("config", "smtp_535") if wrong else Outcome("accepted"))
    school = await house.add_school()
    for n in range(6):
        await house.add_person(school, mails=(f"p{n}@example.org",))
    notification = await house.ask(school, channels=("mail",))
    breaker = house.providers.lines["mail"].breaker
    # when it is asked for a while
    for _ in range(4):
        await house.work()
        await house.execute("UPDATE delivery SET due_at = clock_timestamp() WHERE state = 'pending'")
        breaker.until = 0.0
    await house.work()
    # then the task says why nothing moves, and no ordinary attempt is used up
    task = await house.task(notification)
    assert task["state"] == "retrying"
    assert "refuses our configuration (smtp_535)" in task["error"]
    rows = await house.rows(TRIED, (notification,))
    assert {row["state"] for row in rows} == {"pending"}
    assert [row["attempts"] - row["patient"] for row in rows] == [0] * 6
    assert sum(row["patient"] for row in rows) >= 6
    # when somebody has mended it
    wrong, breaker.until = False, 0.0
    await house.work_through()
    assert await house.states(notification) == {"mail": {"accepted": 6}}
    task = await house.task(notification)
    assert (task["state"], task["error"]) == ("succeeded", None)


async def test_the_first_such_answer_is_told_of_at_once(open_house):
    """A single message would be refused for minutes before the provider is left alone."""
    house = await open_house(push=lambda _: Outcome("config", "SENDER_ID_MISMATCH"))
    school = await house.add_school()
    await house.add_person(school, tokens=("a-token",))
    notification = await house.ask(school, channels=("push",))
    await house.work()
    task = await house.task(notification)
    assert task["state"] == "retrying"
    assert "push: the provider refuses our configuration (SENDER_ID_MISMATCH)" in task["error"]


async def test_each_kind_of_answer_is_counted_by_itself(open_house):
    answers = iter(["config", "throttled", "unknown", "transient"])
    house = await open_house(push=lambda _: Outcome(next(answers, "accepted"), "why"))
    school = await house.add_school()
    await house.add_person(school, tokens=("a-token",))
    notification = await house.ask(school, channels=("push",))
    await house.work_through()
    (row,) = await house.rows(TRIED, (notification,))
    assert row == {"attempts": 5, "silent": 1, "patient": 2, "state": "accepted"}

"""A school day over the public API: import the roster, register devices, send, and see whether it adds up."""

import time
import uuid
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

import httpx

from cli.demo import reconcile, school
from cli.demo.api import DemoFailed, Gateway, Message, Sent, Task
from cli.demo.show import Report, Screen
from cli.demo.stack import Stack, received

ROLE = "platform_admin"
CHUNK = 1_000
IMPORT_WITHIN = 300.0
SENT_WITHIN = 300.0
# An SMTP answer and its counter are a moment apart; so are a commit and the progress it publishes.
COUNTERS_WITHIN = 15.0
POLL = 0.25
GRADE_AT, ALL_AT, ONE_AT = (each.sourced_id for each in school.SCHOOLS)

T = TypeVar("T")


def main(stack: Stack) -> int:
    """Plays the whole demo; 0 if everything reconciles."""
    screen = Screen()
    try:
        with closing(_sign_in(stack)) as gateway:
            group = school.build()
            _import(gateway, screen, group)
            _register(gateway, screen, group)
            result = _send(stack, gateway, screen, _day(gateway, group))
    except (DemoFailed, httpx.HTTPError) as error:
        screen.say(f"The demo stopped: {error}")
        return 1
    screen.table(result)
    screen.say(reconcile.summary(result))
    return 0 if result.reconciles else 1


def first_run(stack: Stack, screen: Screen | None = None) -> str:
    """Imports the demo school, sends one bulk notification; returns the line of counters.

    Raises DemoFailed or httpx.HTTPError when it cannot be done.
    """
    shown = screen or Screen()
    with closing(_sign_in(stack)) as gateway:
        group = school.build()
        _import(gateway, shown, group)
        _register(gateway, shown, group)
        welcome = _whole_school(gateway, "Welcome", "Everything you see here is made up.")
        return reconcile.summary(_send(stack, gateway, shown, {"Telling a school": welcome}))


def _sign_in(stack: Stack) -> Gateway:
    return Gateway(stack["gateway"], lambda: stack["token"](ROLE))


def _import(gateway: Gateway, screen: Screen, group: school.DemoGroup) -> None:
    with screen.step(f"Importing {group.people:,} people") as report:
        task = gateway.import_roster(group.roster, _key())
        ended = wait(
            lambda: gateway.task(task),
            lambda seen: reconcile.outcome(seen) != "wait",
            lambda seen: report(seen.progress),
            within=IMPORT_WITHIN,
            what="the import",
        )
    _must_go_on(ended)


def _must_go_on(task: Task) -> None:
    if reconcile.outcome(task) != "go on":
        raise DemoFailed(f"task {task.id} {task.state}: {task.error or 'no reason given'}")


def _register(gateway: Gateway, screen: Screen, group: school.DemoGroup) -> None:
    devices = group.devices
    with screen.step(f"Registering {len(devices):,} devices") as report:
        for start in range(0, len(devices), CHUNK):
            gateway.register(devices[start : start + CHUNK])
            report(min(1.0, (start + CHUNK) / len(devices)))


def _day(gateway: Gateway, group: school.DemoGroup) -> dict[str, Message]:
    person = group.families[ONE_AT][0]
    excursion = "Grade 7 goes to the made-up museum on Friday."
    meeting = "See you on Thursday at four in the made-up staff room."
    grade = Message(gateway.school(GRADE_AT), "general", "Excursion", excursion, {"grade": "07"})
    alone = {"people": [gateway.person(person)]}
    return {
        "Telling grade 7": grade,
        "Telling a school": _whole_school(gateway, "Snow day", "All demo schools of the harbour stay closed."),
        "Telling one person": Message(gateway.school(ONE_AT), "general", "Your appointment", meeting, alone),
    }


def _whole_school(gateway: Gateway, title: str, body: str) -> Message:
    return Message(gateway.school(ALL_AT), "general", title, body, {"school": True})


def _send(stack: Stack, gateway: Gateway, screen: Screen, messages: dict[str, Message]) -> reconcile.Balance:
    before = received(stack)
    ids = []
    for title, message in messages.items():
        with screen.step(title) as report:
            ids.append(gateway.send(message, _key()))
            _wait_for_deliveries(gateway, ids[-1], report)

    def look() -> reconcile.Balance:
        return reconcile.balance([gateway.notification(each) for each in ids], before, received(stack))

    until = time.monotonic() + COUNTERS_WITHIN
    while not (result := look()).reconciles and time.monotonic() < until:
        time.sleep(POLL)
    return result


def _wait_for_deliveries(gateway: Gateway, notification: str, report: Report) -> Sent:
    return wait(
        lambda: gateway.notification(notification),
        reconcile.settled,
        lambda seen: report(reconcile.finished_share(seen)),
        within=SENT_WITHIN,
        what=f"notification {notification}",
    )


def wait(
    look: Callable[[], T],
    done: Callable[[T], bool],
    report: Callable[[T], None],
    *,
    within: float,
    what: str,
    now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> T:
    """Looks again and again until `done`; DemoFailed after `within` seconds."""
    until = now() + within
    while True:
        seen = look()
        report(seen)
        if done(seen):
            return seen
        if now() >= until:
            raise DemoFailed(f"{what} was not done within {within:.0f} s")
        pause(POLL)


def _key() -> str:
    return f"demo-{uuid.uuid4()}"

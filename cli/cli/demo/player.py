"""Play a school day over the public API: import the roster, register devices, send, and check the figures."""

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TypeVar

import httpx

from cli.demo import reconcile, school
from cli.demo.accounts import Account, accounts
from cli.demo.client import DemoFailed, Gateway, Sent, Task
from cli.demo.office_actions import Office
from cli.demo.progress import Report, Screen
from cli.demo.reporting import Reports
from cli.demo.scenes import Key, Scene, scenes, whole_school
from cli.demo.stack import Stack, received
from shared.events.values import Role

ROLE: Role = "platform_admin"
CHUNK = 1_000
IMPORT_WITHIN = 300.0
SENT_WITHIN = 300.0
# Counters follow a moment after an SMTP answer; progress follows a moment after its commit.
COUNTERS_WITHIN = 15.0
POLL = 0.25

T = TypeVar("T")


def main(stack: Stack) -> int:
    """Play the whole demo; return 0 if everything reconciles."""
    screen = Screen()
    try:
        with closing(_sign_in(stack)) as office:
            group = school.build()
            _import(office, screen, group)
            _register(office, screen, group)
            played, result = _play(stack, office, screen, [*scenes(group), Reports(stack).scene()])
    except (DemoFailed, httpx.HTTPError) as error:
        screen.say(f"The demo failed: {error}")
        return 1
    screen.day(played)
    screen.table(result)
    screen.say(reconcile.summary(result))
    return 0 if result.reconciles else 1


def first_run(stack: Stack, screen: Screen | None = None) -> tuple[str, list[Account]]:
    """Import the demo school and send one bulk notification; return the line of counters and the accounts.

    Raises DemoFailed or httpx.HTTPError.
    """
    shown = screen or Screen()
    with closing(_sign_in(stack)) as office:
        group = school.build()
        _import(office, shown, group)
        _register(office, shown, group)
        _, result = _play(stack, office, shown, [Scene("Notify a school", _welcome)])
        return reconcile.summary(result), accounts(office)


def _welcome(office: Office, key: Key) -> list[str]:
    return [office.send(whole_school(office, "Welcome", "Everything you see here is made up."), key())]


def _sign_in(stack: Stack) -> Office:
    return Office(stack["gateway"], lambda: stack["token"](ROLE))


def _import(gateway: Gateway, screen: Screen, group: school.DemoGroup) -> None:
    with screen.step(f"Import {group.people:,} people") as report:
        task = gateway.import_roster(group.roster, _key())
        ended = wait(
            lambda: gateway.task(task),
            lambda seen: reconcile.outcome(seen) != "wait",
            lambda seen: report(seen.progress),
            within=IMPORT_WITHIN,
            what="the import",
        )
    _require_success(ended)


def _require_success(task: Task) -> None:
    if reconcile.outcome(task) != "go on":
        raise DemoFailed(f"task {task.id} {task.state}: {task.error or 'no error given'}")


def _register(gateway: Gateway, screen: Screen, group: school.DemoGroup) -> None:
    devices = group.devices
    with screen.step(f"Register {len(devices):,} devices") as report:
        for start in range(0, len(devices), CHUNK):
            gateway.register(devices[start : start + CHUNK])
            report(min(1.0, (start + CHUNK) / len(devices)))


def _play(
    stack: Stack, office: Office, screen: Screen, day: Sequence[Scene]
) -> tuple[list[tuple[str, list[Sent]]], reconcile.Balance]:
    """Play the scenes; return the notifications of each and the balance with the counters of the fakes."""
    before = received(stack)
    ids: dict[str, list[str]] = {}
    for scene in day:
        with screen.step(scene.title) as report:
            ids[scene.title] = scene.act(office, _key)
            for each in ids[scene.title]:
                _wait_for_deliveries(office, each, report)

    def look() -> tuple[list[tuple[str, list[Sent]]], reconcile.Balance]:
        played = [(title, [office.notification(each) for each in found]) for title, found in ids.items()]
        sent = [each for _, found in played for each in found]
        return played, reconcile.balance(sent, before, received(stack))

    until = time.monotonic() + COUNTERS_WITHIN
    while not (seen := look())[1].reconciles and time.monotonic() < until:
        time.sleep(POLL)
    return seen


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
    """Call `look` until `done` accepts its result; raises DemoFailed after `within` seconds."""
    until = now() + within
    while True:
        seen = look()
        report(seen)
        if done(seen):
            return seen
        if now() >= until:
            raise DemoFailed(f"{what} did not finish within {within:.0f} s")
        pause(POLL)


def _key() -> str:
    return f"demo-{uuid.uuid4()}"

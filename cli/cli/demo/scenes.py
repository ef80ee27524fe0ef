"""The scenes of a school day. Each uses the office and returns the notifications that follow from it."""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from cli.demo import paperwork, school
from cli.demo.client import DemoFailed, Message
from cli.demo.office_actions import Office

LINDEN, HARBOR, CINAR = school.SCHOOLS
SOON = dt.timedelta(seconds=3)
TOMORROW = dt.timedelta(days=1)
BEFORE, AFTER = dt.timedelta(hours=1), dt.timedelta(hours=2)
WITHIN = 60.0
POLL = 0.25

Key = Callable[[], str]
"""A function that makes an idempotency key."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One step of the day; `act` returns the ids of the notifications that follow from it."""

    title: str
    act: Callable[[Office, Key], list[str]]


def scenes(group: school.DemoGroup) -> list[Scene]:
    """Return the scenes in the order of the day."""
    absence = Absence()
    return [
        Scene("Notify grade 7", _excursion),
        Scene("Notify a school", lambda office, key: [office.send(snow_day(office), key())]),
        Scene("Notify one person", lambda office, key: [office.send(_appointment(office, group), key())]),
        Scene("Report an absence to the guardians", absence.record),
        Scene("Correct that absence", absence.withdraw),
        Scene("Send at a later time", _later),
        Scene("Cancel a scheduled send", _cancelled),
        Scene("Hold a message during quiet hours", _quiet),
        Scene("Turn a receipt into a payment", _receipt),
        Scene("Confirm a photographed report", _without_notifications(paperwork.behavior_report)),
        Scene("Turn a transcript into grades", _without_notifications(paperwork.transcript)),
    ]


def whole_school(office: Office, title: str, body: str) -> Message:
    return Message(office.school(HARBOR.sourced_id), "general", title, body, {"school": True})


def snow_day(office: Office) -> Message:
    return whole_school(office, "Snow day", "All demo schools of the harbour stay closed.")


def _appointment(office: Office, group: school.DemoGroup) -> Message:
    person = office.person(group.families[CINAR.sourced_id][0])
    meeting = "See you on Thursday at four in the made-up staff room."
    return Message(office.school(CINAR.sourced_id), "general", "Your appointment", meeting, {"people": [person]})


def _grade(office: Office, where: school.School, grade: str, title: str, body: str) -> Message:
    return Message(office.school(where.sourced_id), "general", title, body, {"grade": grade})


def _excursion(office: Office, key: Key) -> list[str]:
    body = "Grade 7 goes to the made-up museum on Friday."
    return [office.send(_grade(office, LINDEN, "07", "Excursion", body), key())]


class Absence:
    """Record an absence and withdraw it later: the guardians, and only they, are notified of both."""

    def __init__(self) -> None:
        self._place = self._record = ""

    def record(self, office: Office, key: Key) -> list[str]:
        """Record the absence of a student today."""
        self._place = place = office.school(LINDEN.sourced_id)
        today = dt.datetime.now(ZoneInfo(LINDEN.timezone)).date()

        def record() -> None:
            self._record = office.record_absence(place, office.student(place, "05", today), today, key())

        with _announcing(office, place):
            return _new(office, place, record)

    def withdraw(self, office: Office, _key: Key) -> list[str]:
        """Withdraw the absence."""
        with _announcing(office, self._place):
            return _new(office, self._place, lambda: office.withdraw_absence(self._place, self._record))


@contextmanager
def _announcing(office: Office, place: str, occasion: str = "absence") -> Iterator[None]:
    """Announce records of one kind to guardians automatically during the block."""
    before = office.settings(place, announces=[occasion])
    try:
        yield
    finally:
        office.settings(place, **before)


def _new(office: Office, place: str, act: Callable[[], object]) -> list[str]:
    """Run `act` and return the notifications of the school that are new since then."""
    before = office.notifications(place)
    act()
    until = time.monotonic() + WITHIN
    while not (new := office.notifications(place) - before):
        if time.monotonic() > until:
            raise DemoFailed(f"no notification appeared within {WITHIN:.0f} s")
        time.sleep(POLL)
    return sorted(new)


def _receipt(office: Office, key: Key) -> list[str]:
    """Announce received payments, so that the parents hear of the one that the receipt says."""
    place = office.school(HARBOR.sourced_id)
    with _announcing(office, place, "payment_received"):
        return _new(office, place, lambda: paperwork.receipt(office, key))


def _without_notifications(act: Callable[[Office, Key], None]) -> Callable[[Office, Key], list[str]]:
    def acted(office: Office, key: Key) -> list[str]:
        act(office, key)
        return []

    return acted


def _later(office: Office, key: Key) -> list[str]:
    body = "The made-up bus of grade 8 leaves in ten minutes."
    _, notification = office.send_later(_grade(office, LINDEN, "08", "The bus", body), _now() + SOON, key())
    return [notification]


def _cancelled(office: Office, key: Key) -> list[str]:
    body = "This was to be sent tomorrow."
    schedule, _ = office.send_later(_grade(office, HARBOR, "08", "Never sent", body), _now() + TOMORROW, key())
    office.cancel(schedule)
    until = time.monotonic() + WITHIN
    while (state := office.schedule_state(schedule)) != "cancelled":
        if time.monotonic() > until:
            raise DemoFailed(f"schedule {schedule} is {state}, although the gateway accepted its cancellation")
        time.sleep(POLL)
    return []


def _quiet(office: Office, key: Key) -> list[str]:
    place, now = office.school(CINAR.sourced_id), dt.datetime.now(ZoneInfo(CINAR.timezone))
    hours = {"starts": f"{now - BEFORE:%H:%M}", "ends": f"{now + AFTER:%H:%M}"}
    before = office.settings(place, quiet=hours)
    try:
        body = "Please bring made-up cake on Saturday."
        found = [office.send(_grade(office, CINAR, "03", "School fair", body), key())]
        # Planned under these hours before they end again.
        until = time.monotonic() + WITHIN
        while office.notification(found[0]).planned is None and time.monotonic() < until:
            time.sleep(POLL)
        return found
    finally:
        office.settings(place, **before)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)

"""Make the demo school group: three schools in three timezones, always the same from a fixed seed."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from cli.demo import names, oneroster
from cli.demo.families import GRADES, ROOMS, STUDENT_ADDRESS_FROM, Family, families
from cli.demo.oneroster import Row

SEED = 20_260_901
YEAR = 2026
GROUP = "group-demo"
SUBJECTS = ("Mathematics", "Languages")
PLATFORMS = ("android", "ios", "web")
GUARDIANS_WITH_DEVICE = 0.85
STUDENTS_WITH_DEVICE = 0.7
SECOND_DEVICE = 0.05


@dataclass(frozen=True, slots=True)
class School:
    sourced_id: str
    name: str
    timezone: str


SCHOOLS = (
    School("school-linden", "Demo School Linden", "Europe/Berlin"),
    School("school-harbor", "Demo School Harbor", "America/New_York"),
    School("school-cinar", "Demo School Çınar", "Europe/Istanbul"),  # noqa: RUF001  # a name beyond ASCII on purpose
)


@dataclass(frozen=True, slots=True)
class Device:
    """A device as an app registers it; OneRoster has no devices. `person` is a sourcedId."""

    person: str
    token: str
    platform: str


@dataclass(frozen=True, slots=True)
class DemoGroup:
    """A OneRoster 1.1 zip in bulk mode, and the figures that an import of it must reach.

    `families` maps a school to the sourcedIds of its guardians.
    """

    roster: bytes
    devices: tuple[Device, ...]
    people: int
    students: int
    guardians: int
    families: Mapping[str, tuple[str, ...]]


def build(seed: int = SEED, rooms: int = ROOMS) -> DemoGroup:
    """Make the group; with fewer `rooms` for each grade it is smaller, and as full."""
    random = Random(seed)  # noqa: S311  # it must be repeatable
    homes = tuple(families(random, tuple(school.sourced_id for school in SCHOOLS), rooms))
    staff = list(_staff(random, rooms))
    family_rows = list(_family_rows(homes))
    roster = oneroster.pack(
        {
            "orgs": _orgs(),
            "academicSessions": _sessions(),
            "courses": _courses(),
            "classes": _classes(rooms),
            "users": [*staff, *family_rows],
            "enrollments": _enrolments(homes, rooms),
        },
        "bulk",
    )
    students = sum(len(home.children) for home in homes)
    guardians = sum(len(home.guardians) for home in homes)
    devices = tuple(_devices(random, homes))
    at = {school.sourced_id: _guardians_at(school.sourced_id, homes) for school in SCHOOLS}
    return DemoGroup(roster, devices, len(staff) + len(family_rows), students, guardians, at)


def _guardians_at(school: str, homes: tuple[Family, ...]) -> tuple[str, ...]:
    here = (home for home in homes if school in home.schools)
    return tuple(guardian.sourced_id for home in here for guardian in home.guardians)


def _orgs() -> Iterator[Row]:
    yield (GROUP, "", "", "Demo School Group", "district", "", "", "")
    for school in SCHOOLS:
        yield (school.sourced_id, "", "", school.name, "school", "", GROUP, school.timezone)


def _sessions() -> Iterator[Row]:
    """Make school years and terms; in OneRoster an end date is the first day after."""
    year = str(YEAR + 1)
    for school in SCHOOLS:
        above = f"{school.sourced_id}-year"
        begins, middle, ends = f"{YEAR}-08-24", f"{YEAR + 1}-02-01", f"{YEAR + 1}-07-03"
        yield (above, "", "", f"School year {YEAR}/{YEAR + 1}", "schoolYear", begins, ends, "", year)
        yield (f"{school.sourced_id}-term-1", "", "", "First term", "semester", begins, middle, above, year)
        yield (f"{school.sourced_id}-term-2", "", "", "Second term", "semester", middle, ends, above, year)


def _courses() -> Iterator[Row]:
    for school in SCHOOLS:
        for subject in ("Homeroom", *SUBJECTS):
            course = f"{school.sourced_id}-{subject.lower()}"
            yield (course, "", "", "", subject, "", "", school.sourced_id, "", "")


def _rooms(rooms: int) -> Iterator[tuple[str, str, str]]:
    """Yield (school, grade, room), such as school-linden, 07, 7b."""
    for school in SCHOOLS:
        for grade in range(1, GRADES + 1):
            for room in range(rooms):
                yield school.sourced_id, f"{grade:02}", _room(grade, room)


def _room(grade: int, room: int) -> str:
    return f"{grade}{'abcdefgh'[room]}"


def _classes(rooms: int) -> Iterator[Row]:
    for school, grade, room in _rooms(rooms):
        terms = f"{school}-term-1,{school}-term-2"
        for subject in ("Homeroom", *SUBJECTS):
            kind = "homeroom" if subject == "Homeroom" else "scheduled"
            course = f"{school}-{subject.lower()}"
            title, code = f"{subject} {room}", f"{room}-{subject[:2].upper()}"
            key = f"{course}-{room}"
            yield (key, "", "", title, grade, course, code, kind, "", school, terms, "", "", "")


def _user(sourced_id: str, orgs: str, role: str, given: str, family: str, **more: str) -> Row:
    contact = more.get("email", "")
    phone = f"+999 {int(hashlib.sha256(sourced_id.encode()).hexdigest(), 16) % 10**8:08}"  # +999 is no country
    reach = ("", phone) if role == "student" else (phone, phone)
    login = (sourced_id, "", given, family, "", "")
    return (
        *(sourced_id, "", "", "true", orgs, role, *login, contact, *reach),
        *(more.get("agents", ""), more.get("grade", ""), ""),
    )


def _staff(random: Random, rooms: int) -> Iterator[Row]:
    """Make a teacher for each room, six aides and two administrators per school, one administrator of the group."""
    number = 9000
    jobs = [(f"teacher-{school}-{room}", school, "teacher") for school, _, room in _rooms(rooms)]
    for school in SCHOOLS:
        jobs += [(f"staff-{school.sourced_id}-{n}", school.sourced_id, "aide") for n in range(1, 7)]
        jobs += [(f"admin-{school.sourced_id}-{n}", school.sourced_id, "administrator") for n in (1, 2)]
    for sourced_id, org, role in [*jobs, ("admin-group-demo-1", GROUP, "administrator")]:
        number += 1
        given, family = names.given_name(random), names.family_name(random, number)
        yield _user(sourced_id, org, role, given, family, email=names.address(given, family))


def _family_rows(homes: tuple[Family, ...]) -> Iterator[Row]:
    for home in homes:
        orgs = ",".join(home.schools)
        for guardian in home.guardians:
            children = ",".join(child.sourced_id for child in home.children)
            given, email = guardian.given, guardian.email
            yield _user(guardian.sourced_id, orgs, "guardian", given, home.name, email=email, agents=children)
        agents = ",".join(guardian.sourced_id for guardian in home.guardians)
        for child in home.children:
            yield _user(
                *(child.sourced_id, child.school, "student", child.given, home.name),
                email=child.email,
                agents=agents,
                grade=f"{child.grade:02}",
            )


def _enrolments(homes: tuple[Family, ...], rooms: int) -> Iterator[Row]:
    begins = f"{YEAR}-08-24"
    for school, _, room in _rooms(rooms):
        for subject in ("homeroom", *map(str.lower, SUBJECTS)):
            group, teacher = f"{school}-{subject}-{room}", f"teacher-{school}-{room}"
            key = f"{group}-teacher"
            yield (key, "", "", group, school, teacher, "teacher", "true", begins, "")
    for home in homes:
        for child in home.children:
            room = _room(child.grade, child.room)
            for subject in ("homeroom", *map(str.lower, SUBJECTS)):
                group = f"{child.school}-{subject}-{room}"
                key = f"{child.sourced_id}-{subject}"
                yield (key, "", "", group, child.school, child.sourced_id, "student", "", begins, "")


def _devices(random: Random, homes: tuple[Family, ...]) -> Iterator[Device]:
    for home in homes:
        likely = [(guardian.sourced_id, GUARDIANS_WITH_DEVICE) for guardian in home.guardians]
        older = (child for child in home.children if child.grade >= STUDENT_ADDRESS_FROM)
        likely += [(child.sourced_id, STUDENTS_WITH_DEVICE) for child in older]
        for person, chance in likely:
            if random.random() < chance:
                for number in range(2 if random.random() < SECOND_DEVICE else 1):
                    yield Device(person, token(person, number), random.choice(PLATFORMS))


def token(person: str, number: int) -> str:
    """Return a token of 157 characters: about as long as one of FCM, and visibly not one."""
    digest = hashlib.sha512(f"{person}/{number}".encode()).hexdigest()
    return f"demo-{digest}{digest[:24]}"

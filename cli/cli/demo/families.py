"""Make families: students of three schools with one or two guardians each."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from cli.demo import names

GRADES = 12
ROOMS = 4
"""Homerooms of a grade."""
CLASS_SIZE = 25
FAMILY_SIZES = (1, 1, 1, 2, 2, 3)
TWO_GUARDIANS = 0.7
TWO_SCHOOLS = 0.05
ONE_ADDRESS = 0.02
STUDENT_ADDRESS_FROM = 7


@dataclass(frozen=True, slots=True)
class Child:
    """`grade` from 1 to 12, `room` from 0 counts the homerooms of the grade."""

    sourced_id: str
    given: str
    school: str
    grade: int
    room: int
    email: str


@dataclass(frozen=True, slots=True)
class Guardian:
    sourced_id: str
    given: str
    email: str


@dataclass(frozen=True, slots=True)
class Family:
    name: str
    number: int
    guardians: tuple[Guardian, ...]
    children: tuple[Child, ...]

    @property
    def schools(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(child.school for child in self.children))


def families(random: Random, schools: tuple[str, ...], rooms: int = ROOMS) -> Iterator[Family]:
    """Fill every place of every school exactly once; some families have children in two schools."""
    places = {school: _places(random, rooms) for school in schools}
    number = 0
    while any(places.values()):
        number += 1
        first = random.choice([school for school, left in places.items() if left])
        second = random.choice(schools)
        size = min(random.choice(FAMILY_SIZES), len(places[first]))
        seats = [(first, *places[first].pop()) for _ in range(size)]
        if random.random() < TWO_SCHOOLS and second != first and places[second]:
            seats.append((second, *places[second].pop()))
        yield _family(random, number, seats)


def _places(random: Random, rooms: int) -> list[tuple[int, int]]:
    """Return (grade, room) of each place of a school, shuffled."""
    places = [(grade + 1, place // CLASS_SIZE) for grade in range(GRADES) for place in range(rooms * CLASS_SIZE)]
    random.shuffle(places)
    return places


def _family(random: Random, number: int, seats: list[tuple[str, int, int]]) -> Family:
    name = names.family_name(random, number)
    adults = 2 if random.random() < TWO_GUARDIANS else 1
    given = _different(random, adults + len(seats))
    shared = names.address("family", name) if random.random() < ONE_ADDRESS else ""
    guardians = tuple(
        Guardian(f"guardian-{number:04}-{place + 1}", given[place], shared or names.address(given[place], name))
        for place in range(adults)
    )
    children = tuple(
        Child(
            f"student-{number:04}-{place + 1}",
            given[adults + place],
            school,
            grade,
            room,
            names.address(given[adults + place], name) if grade >= STUDENT_ADDRESS_FROM else "",
        )
        for place, (school, grade, room) in enumerate(seats)
    )
    return Family(name, number, guardians, children)


def _different(random: Random, count: int) -> list[str]:
    """Return distinct given names, so that two people of one family never share an address by accident."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[names.given_name(random)] = None
    return list(found)

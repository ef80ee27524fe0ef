"""The demo school is read by the importer's own parser, completely, and could not be mistaken for a real one."""

import io
import re
from collections import Counter

import pytest

from cli.demo import school
from cli.tests.demo import invalid_roster
from gateway.roster_import.oneroster import Known, Scope, Student, read


@pytest.fixture(scope="module")
def group():
    return school.build()


@pytest.fixture(scope="module")
def people(group):
    with read(io.BytesIO(group.roster)) as roster:
        return list(roster.people())


def test_the_demo_school_is_reproducible(group):
    assert school.build() == group


def test_the_parser_accepts_the_whole_roster(group):
    with read(io.BytesIO(group.roster)) as roster:
        assert sum(1 for _ in roster.enrolments()) > 3 * group.students
        assert roster.rejected == ()
        assert roster.people_count == group.people
        assert {org.timezone for org in roster.orgs if org.is_school} == {
            *("Europe/Berlin", "America/New_York", "Europe/Istanbul")
        }
        assert {name: len(terms) for name, terms in roster.terms_by_school().items()} == {
            each.sourced_id: 3 for each in school.SCHOOLS
        }


def test_every_student_has_one_or_two_guardians(group, people):
    students = [person for person in people if isinstance(person, Student)]
    assert len(students) == group.students == 3_600
    assert {len(student.guardians) for student in students} == {1, 2}
    assert Counter(student.grade for student in students) == {f"{grade:02}": 300 for grade in range(1, 13)}


def test_families_share_guardians_and_some_are_in_two_schools(people):
    children = Counter(g for person in people if isinstance(person, Student) for g in person.guardians)
    assert max(children.values()) >= 3
    assert any(
        len(person.memberships) == 2 and {m.role for m in person.memberships} == {"guardian"} for person in people
    )


def test_every_role_exists(people):
    assert {m.role for person in people for m in person.memberships} == {
        *("student", "guardian", "teacher", "staff", "school_admin")
    }


def test_names_and_addresses_are_visibly_made_up(people):
    assert all(re.fullmatch(r"Demo-\w+ \d{4}", person.family_name) for person in people)
    assert all(person.email.endswith("@example.org") for person in people if person.email)


def test_addresses_are_unique_but_for_a_few_couples(people):
    uses = Counter(person.email for person in people if person.email)
    shared = {address for address, count in uses.items() if count > 1}
    assert 0 < len(shared) < 60
    assert all(address.startswith("family.") and uses[address] == 2 for address in shared)


def test_most_guardians_and_older_students_have_devices(group, people):
    known = {person.sourced_id: person for person in people}
    owners = {device.person for device in group.devices}
    assert owners <= known.keys()
    assert 0.8 < sum(1 for owner in owners if owner.startswith("guardian")) / group.guardians < 0.9
    assert all(known[o].grade >= "07" for o in owners if isinstance(known[o], Student))
    tokens = [device.token for device in group.devices]
    assert len(set(tokens)) == len(tokens)
    assert all(token.startswith("demo-") and len(token) > 140 for token in tokens)
    assert {device.platform for device in group.devices} == {"android", "ios", "web"}


def test_the_invalid_roster_is_rejected_at_its_mistakes():
    packed, mistakes = invalid_roster.build()
    with read(io.BytesIO(packed), known=Known()) as roster:
        assert [(r.file, r.line, r.column) for r in roster.rejected] == [(m.file, m.line, m.column) for m in mistakes]
        assert [r.line for r in roster.rejected if r.scope is Scope.REFERENCE] == [9]
        assert roster.people_count == 5

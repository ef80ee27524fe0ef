"""What comes out of a right roster, bulk and delta, 1.1 and 1.2."""

from datetime import date

import pytest

from gateway.roster_import.oneroster import Guardianship, Known, Mode, Role, RosterRefused, Scope, Status, Student, read

ROLES = """sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,\
userProfileSourcedId
r1,,,s1,primary,student,2026-08-01,2027-08-01,north,
r2,,,t1,primary,teacher,,,north,
r3,,,t1,secondary,principal,,,south,
r4,,,t1,secondary,parent,,,north,
"""
USERS_1_2 = """sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,\
middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,\
preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns
s1,,,true,ada,,Ada,Demo,,,,,,t1,07,,,,,,north,
t1,,,FALSE,dora,,Dora,Demo,,,dora@example.org,,,,,,,,,,,
"""
DELTA_HEADER = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,givenName,familyName,agentSourcedIds"
WHEN = "2026-09-01T10:00:00.000Z"


def test_a_1_1_roster_gives_organisations_terms_and_classes(pack):
    with read(pack()) as roster:
        schools = {org.sourced_id: org.timezone for org in roster.orgs if org.is_school}
        assert schools == {"north": "Europe/Berlin", "south": "America/New_York"}
        assert [(term.sourced_id, term.kind, term.parent) for term in roster.terms] == [
            ("year", "schoolYear", None),
            ("term", "term", "year"),
        ]
        assert roster.terms[1].ends == date(2027, 1, 1)
        assert [(c.sourced_id, c.school, c.terms, c.grades) for c in roster.classes] == [
            ("math-7a", "north", ("term",), ("07",))
        ]
        assert {school: [t.sourced_id for t in terms] for school, terms in roster.terms_by_school().items()} == {
            "north": ["year", "term"],
            "south": [],
        }
        assert roster.rejected == ()


def test_people_have_memberships_contacts_and_guardians_from_either_side(pack):
    with read(pack()) as roster:
        people = {person.sourced_id: person for person in roster.people()}
    guardian = people["g1"]
    assert [(m.school, m.role) for m in guardian.memberships] == [
        ("north", "guardian"),
        ("south", "guardian"),
    ]
    assert (guardian.email, guardian.sms, guardian.phone) == ("caro@example.org", "+999 1", "+999 2")
    first, second = people["s1"], people["s2"]
    assert isinstance(first, Student)
    assert isinstance(second, Student)
    # s1 and g1 name each other: one guardianship. s2 names nobody, but g1 names s2.
    assert (first.guardians, second.guardians) == (("g1",), ("g1",))
    assert (first.grade, second.grade) == ("07", "08")
    assert not isinstance(people["t1"], Student)


def test_enrolments_are_streamed_and_can_be_read_twice(pack):
    with read(pack()) as roster:
        once, again = list(roster.enrolments()), list(roster.enrolments())
        assert once == again
        assert [(e.school_class, e.person, e.role, e.primary) for e in once] == [
            ("math-7a", "s1", "student", False),
            ("math-7a", "t1", "teacher", True),
        ]
        assert once[0].begins == date(2026, 8, 1)
        assert once[0].ends is None


def test_a_1_2_roster_takes_memberships_from_roles(pack):
    files = {"users": USERS_1_2, "roles": ROLES, "enrollments": ENROLLED_1_2}
    with read(pack(files, version="1.2")) as roster:
        people = {person.sourced_id: person for person in roster.people()}
        assert roster.rejected == ()
    assert [(m.school, m.role, m.source_role, m.primary) for m in people["t1"].memberships] == [
        ("north", "teacher", "teacher", True),
        ("south", "school_admin", "principal", False),
        ("north", "guardian", "parent", False),
    ]
    student = people["s1"]
    assert isinstance(student, Student)
    assert student.guardians == ("t1",)
    assert (student.memberships[0].begins, student.memberships[0].ends) == (
        date(2026, 8, 1),
        date(2027, 8, 1),
    )
    assert student.memberships[0].sourced_id == "r1"
    assert not people["t1"].enabled


ENROLLED_1_2 = """sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,\
primary,beginDate,endDate
e1,,,math-7a,north,s1,student,false,,
"""


def test_a_1_2_person_without_a_role_is_rejected(pack):
    roles = ROLES.replace("r1,,,s1", "r1,,,nobody")
    with read(pack({"users": USERS_1_2, "roles": roles}, version="1.2")) as roster:
        assert [(r.file, r.line, r.column) for r in roster.rejected] == [
            ("users.csv", 2, "sourcedId"),
            ("roles.csv", 2, "userSourcedId"),
        ]


def test_bulk_users_of_1_2_need_a_roles_file(pack):
    with pytest.raises(RosterRefused) as refused:
        read(pack({"users": USERS_1_2}, version="1.2"))
    assert refused.value.code == "file_missing"


def test_a_department_means_its_school_and_a_district_means_every_school_to_administrators_only(pack):
    users = f"""{DELTA_HEADER}
a1,,,true,group,administrator,Ada,Demo,
a2,,,true,"group,south",administrator,Belo,Demo,
t1,,,true,science,teacher,Caro,Demo,
t2,,,true,group,teacher,Dora,Demo,
"""
    with read(pack({"users": users})) as roster:
        schools = {p.sourced_id: [m.school for m in p.memberships] for p in roster.people()}
        assert schools == {"a1": ["north", "south"], "a2": ["south"], "t1": ["north"]}
        assert [(r.line, r.column) for r in roster.rejected] == [(5, "orgSourcedIds")]


def test_no_file_makes_a_platform_administrator(pack):
    roles = ROLES.replace("secondary,principal", "secondary,systemAdministrator")
    with read(pack({"users": USERS_1_2, "roles": roles}, version="1.2")) as roster:
        assert {m.role for p in roster.people() for m in p.memberships} <= {
            *("student", "teacher", "guardian", "school_admin")
        }


def test_a_delta_may_refer_to_what_is_known_and_ends_what_it_says(pack):
    users = f"""{DELTA_HEADER}
new,active,{WHEN},true,north,student,Ada,Demo,known-guardian
known-guardian-2,active,{WHEN},true,north,guardian,Belo,Demo,known-student
gone,tobedeleted,{WHEN},,,,,,
"""
    known = Known(
        schools={"north"},
        users={"known-guardian", "known-student", "gone"},
        guardians={"known-guardian"},
        students={"known-student"},
    )
    with read(pack({"users": users}, mode="delta", only=True), known=known) as roster:
        people = {person.sourced_id: person for person in roster.people()}
        pairs = set(roster.guardianships)
        assert roster.rejected == ()
    assert people["gone"].status is Status.TOBEDELETED
    assert people["new"].status is Status.ACTIVE
    assert pairs == {
        Guardianship("new", "known-guardian"),
        Guardianship("known-student", "known-guardian-2"),
    }
    assert roster.modes["users.csv"] is Mode.DELTA
    assert roster.modes["orgs.csv"] is Mode.ABSENT


def test_a_bulk_file_does_not_refer_to_what_is_known(pack):
    known = Known(schools={"elsewhere"})
    users = f"{DELTA_HEADER}\na1,,,true,elsewhere,student,Ada,Demo,\n"
    with read(pack({"users": users}), known=known) as roster:
        assert [(r.file, r.column) for r in roster.rejected] == [("users.csv", "orgSourcedIds")]


def test_a_delta_of_roles_alone_comes_out_beside_the_people(pack):
    roles = f"""sourcedId,status,dateLastModified,userSourcedId,roleType,role,orgSourcedId
r9,active,{WHEN},known,primary,teacher,north
r8,tobedeleted,{WHEN},known,primary,aide,north
r7,active,{WHEN},unknown,primary,teacher,north
"""
    known = Known(schools={"north"}, users={"known"})
    with read(pack({"roles": roles}, version="1.2", mode="delta", only=True), known=known) as roster:
        assert [(r.person, r.membership.role, r.membership.status) for r in roster.roles] == [
            ("known", "teacher", "active"),
            ("known", "", "tobedeleted"),
        ]
        assert isinstance(roster.roles[0], Role)
        assert [(r.file, r.line, r.column) for r in roster.rejected] == [("roles.csv", 4, "userSourcedId")]


def test_a_delta_enrolment_of_a_known_class_keeps_to_its_school(pack):
    text = f"""sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role
e1,active,{WHEN},known,north,someone,student
e2,active,{WHEN},known,south,someone,student
e3,tobedeleted,{WHEN},,,,
"""
    known = Known(schools={"north", "south"}, users={"someone"}, classes={"known": "north"})
    with read(pack({"enrollments": text}, mode="delta", only=True), known=known) as roster:
        assert [(e.sourced_id, e.status) for e in roster.enrolments()] == [
            ("e1", "active"),
            ("e3", "tobedeleted"),
        ]
        assert [(r.line, r.column) for r in roster.rejected] == [(3, "schoolSourcedId")]


def test_a_wrong_guardian_costs_the_reference_and_not_the_child(pack, users_header):
    users = f"{users_header}\ns1,,,true,north,student,,,Ada,Demo,,,,,,nobody,07,\n"
    with read(pack({"users": users})) as roster:
        assert [person.sourced_id for person in roster.people()] == ["s1"]
        assert [(r.line, r.column, r.scope) for r in roster.rejected] == [(2, "agentSourcedIds", Scope.REFERENCE)]


def test_a_bom_is_skipped_columns_may_move_and_unknown_ones_are_ignored(pack):
    header = "familyName,metadata.x,sourcedId,role,givenName,orgSourcedIds,enabledUser"
    text = f"{header}\r\nDemo,?,s1,student,Ada,north,true\r\n"
    with read(pack({"users": b"\xef\xbb\xbf" + text.encode()})) as roster:
        assert [(p.sourced_id, p.given_name, p.family_name) for p in roster.people()] == [("s1", "Ada", "Demo")]


def test_a_path_works_as_well_as_a_file(pack, tmp_path):
    path = tmp_path / "roster.zip"
    path.write_bytes(pack().getvalue())
    with read(path) as roster:
        assert roster.people_count == 4

"""Bad rows: each is named by file, line, column and a reason without the value, and the good ones go on."""

import re
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.roster_import.oneroster import RosterRefused, read

GOOD = "t9,,,true,north,teacher,,,Dora,Demo,,,dora9@example.org,,,,,"
COLUMNS = {
    "enabledUser": 3,
    "orgSourcedIds": 4,
    "role": 5,
    "givenName": 8,
    "familyName": 9,
    "email": 12,
    "phone": 14,
}


def _row(column: str, value: str) -> str:
    cells = ["x1", "", "", "true", "north", "teacher", "", "", "Ada", "Demo", "", "", "ada@example.org"]
    cells += [""] * 5
    cells[COLUMNS[column]] = f'"{value}"'
    return ",".join(cells)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("orgSourcedIds", "", "required"),
        ("orgSourcedIds", "north,nowhere", "not in the roster"),
        ("orgSourcedIds", "group", "names no school"),
        ("role", "wizard", "is not one of"),
        ("givenName", " ", "required"),
        ("familyName", "F" * 256, "longer than 255"),
        ("givenName", "A\0da", "control character"),
        ("givenName", "A\x1bda", "control character"),
    ],
)
def test_a_bad_value_is_named_and_the_next_row_is_read(pack, users_header, column, value, reason):
    with read(pack({"users": f"{users_header}\n{_row(column, value)}\n{GOOD}\n"})) as roster:
        assert [person.sourced_id for person in roster.people()] == ["t9"]
        (rejected,) = roster.rejected
        assert (rejected.file, rejected.line, rejected.column) == ("users.csv", 2, column)
        assert reason in rejected.reason
        assert roster.kept("users.csv") == {"x1"}


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("enabledUser", "perhaps", "neither true nor false"),
        ("enabledUser", "", "neither true nor false"),
        ("email", "N/A", "not a mail address"),
        ("email", "ada at example.org", "not a mail address"),
        ("email", "ada@example.org\tBcc: x@example.org", "not a mail address"),
        ("email", "a@example.org,b@example.org", "not a mail address"),
        ("phone", "1" * 65, "not a phone address"),
        ("phone", "none", "not a phone address"),
    ],
)
def test_an_optional_value_that_cannot_be_used_is_left_out_and_named_and_the_person_stays(
    pack, users_header, column, value, reason
):
    with read(pack({"users": f"{users_header}\n{_row(column, value)}\n"})) as roster:
        (person,) = roster.people()
        (named,) = roster.rejected
    assert (person.sourced_id, person.says(column)) == ("x1", False)
    assert (named.file, named.line, named.column, named.scope) == ("users.csv", 2, column, "value")
    assert reason in named.reason


@pytest.mark.parametrize(
    ("rows", "line", "reason"),
    [
        ('x1,,,true,north,teacher,,,"Ada,Demo,,,,,,,,', 2, "quotes"),
        ('x1,,,true,north,teacher,,,"A"da,Demo,,,,,,,,', 2, "quotes"),
        ("x1,,,true,north,teacher", 2, "6 values"),
        ("x1,,,true,north,teacher,,,Ada,Demo,,,,,,,,,,,", 2, "21 values"),
        ("x1,,,true,north,teacher,,," + "A" * 70_000 + ",Demo,,,,,,,,", 2, "longer than 65536 bytes"),
        ("x1,,,true,north,teacher,,," + "A" * 700_000 + ",Demo,,,,,,,,", 2, "longer than 65536 bytes"),
        (f"{GOOD}\n{GOOD}".replace("t9", "x1"), 3, "already used in line 2"),
        (",,,true,north,teacher,,,Ada,Demo,,,,,,,,", 2, "required"),
    ],
)
def test_a_spoilt_row_spoils_no_other(pack, users_header, rows, line, reason):
    with read(pack({"users": f"{users_header}\n{rows}\n\n{GOOD}\n"})) as roster:
        assert "t9" in {person.sourced_id for person in roster.people()}
        (rejected,) = roster.rejected
        assert rejected.line == line
        assert reason in rejected.reason


def test_a_row_in_latin_1_is_rejected_by_its_column(pack, users_header):
    row = _row("givenName", "Zoë").encode("latin-1")
    with read(pack({"users": users_header.encode() + b"\n" + row + b"\n" + GOOD.encode()})) as roster:
        assert roster.people_count == 1
        assert roster.rejected[0].column == "givenName"
        assert "UTF-8" in roster.rejected[0].reason
        assert roster.kept("users.csv") == {"x1"}


@pytest.mark.parametrize(
    ("file", "old", "new", "column"),
    [
        ("academicSessions", "2027-01-01", "2027-02-29", "endDate"),
        ("academicSessions", "2027-01-01", "01.01.2027", "endDate"),
        ("academicSessions", "2027-01-01", "2026-07-01", "endDate"),
        ("academicSessions", ",term,2026", ",holiday,2026", "type"),
        ("orgs", "Europe/Berlin", "../../etc/passwd", "metadata.timezone"),
        ("orgs", "Europe/Berlin", "Europe/Nowhere", "metadata.timezone"),
        ("orgs", "North,school", "North,castle", "type"),
        ("classes", ",north,", ",science,", "schoolSourcedId"),
        ("classes", ",term,", ",spring,", "termSourcedIds"),
        ("classes", ",math,", ",physics,", "courseSourcedId"),
        ("enrollments", "math-7a,north,s1", "math-7a,south,s1", "schoolSourcedId"),
        ("enrollments", "math-7a,north,s1", "math-7a,north,nobody", "userSourcedId"),
        ("enrollments", "math-7a,north,s1", "none,north,s1", "classSourcedId"),
        ("enrollments", "e1,,,", "e1,lost,,", "status"),
        ("enrollments", "e1,,,", "e1,active,yesterday,", "dateLastModified"),
        ("courses", "north", "nowhere", "orgSourcedId"),
    ],
)
def test_every_file_rejects_what_does_not_fit(pack, file, old, new, column):
    right = pack()
    with read(right) as roster:
        assert list(roster.enrolments())
        assert roster.rejected == ()
    files = _texts(right)
    assert old in files[file]
    files[file] = files[file].replace(old, new, 1)
    with read(pack(files)) as roster:
        list(roster.enrolments())
        assert (f"{file}.csv", column) in {(r.file, r.column) for r in roster.rejected}
        assert all(new not in r.reason for r in roster.rejected)


def test_what_refers_to_a_rejected_row_is_rejected_too(pack):
    files = _texts(pack())
    files["users"] = files["users"].replace(",Ada,", ",,")
    with read(pack(files)) as roster:
        list(roster.enrolments())
        assert [(r.file, r.line, r.column) for r in roster.rejected if r.scope == "row"] == [
            ("users.csv", 2, "givenName"),
            ("enrollments.csv", 2, "userSourcedId"),
        ]


def test_a_delta_row_needs_its_status(pack, users_header):
    files = {
        "users": f"{users_header}\n{GOOD}\n",
        "orgs": re.sub(r"^(\w+),,,", r"\1,active,,", _texts(pack())["orgs"], flags=re.MULTILINE),
    }
    with read(pack(files, mode="delta", only=True)) as roster:
        assert [(r.file, r.column) for r in roster.rejected] == [("users.csv", "status")]


CELL = st.text(st.characters(blacklist_categories=("Cs",)), min_size=4, max_size=40).map(lambda text: f"~{text}~")


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(column=st.sampled_from(sorted(COLUMNS)), value=CELL)
def test_no_reason_ever_repeats_a_value(pack, users_header, column, value):
    row = _row(column, value.replace('"', '""'))
    with read(pack({"users": f"{users_header}\n{row}\n"})) as roster:
        list(roster.people())
        assert all(value.strip() not in rejected.reason for rejected in roster.rejected)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    noise=st.binary(max_size=400),
    file=st.sampled_from(["orgs", "users", "classes", "enrollments"]),
    keep=st.booleans(),
)
def test_noise_is_rejected_or_refused_and_nothing_else(pack, noise, file, keep):
    header = _texts(pack())[file].split("\n", 1)[0].encode() + b"\n"
    try:
        with read(pack({file: header + noise if keep else noise})) as roster:
            list(roster.people())
            list(roster.enrolments())
    except RosterRefused as refused:
        code = refused.code
    else:
        code = ""
    assert code in ({""} if keep else {"", "header_unreadable", "column_missing", "not_utf8", "separator_unknown"})


def _texts(packed) -> dict[str, str]:
    import_order = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments")
    with zipfile.ZipFile(packed) as archive:
        return {name: archive.read(f"{name}.csv").decode() for name in import_order}

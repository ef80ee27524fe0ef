"""Exports by hand: what can be understood is, and what cannot is named with what to do."""

import pytest

from gateway.http.grades import grade_code, usual_grade
from gateway.roster_import.oneroster import RosterRefused, read

SEVENS = [
    "7",
    "07",
    "007",
    "7.0",
    "7,0",
    "7th",
    "7.",
    "Grade 7",
    "grade 07",
    "7th Grade",
    "Gr. 7",
    "Seventh",
    "\u06f7",  # Persian, Arabic-Indic and wide digits
    "\u0667",
    "\uff17",
    "VII",
]


@pytest.mark.parametrize("text", SEVENS)
def test_every_spelling_of_a_grade_has_one_code(text):
    assert grade_code(text) == "07"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(("K", "KG"), ("KG", "KG"), ("0", "KG"), ("00", "KG"), ("Kindergarten", "KG"), ("PK", "PK"), ("Pre-K", "PK")),
        *(("-1", "PK"), ("tk", "TK"), ("it", "IT"), ("pr", "PR"), ("UG", "UG"), ("13", "13"), ("1st", "01")),
        *(("10", "10"), ("14", None), ("7a", None), ("", None), ("Blue group", None), ("9" * 5_000, None)),
    ],
)
def test_a_grade_has_its_code_of_ceds_or_none(text, code):
    assert grade_code(text) == code
    assert usual_grade(text) == (code or text)


def test_a_student_has_the_first_grade_of_a_list_and_the_list_is_named(pack, users_header):
    rows = 's1,,,true,north,student,,,Ada,Demo,,,,,,,"7,08",\ns2,,,true,north,student,,,Bo,Demo,,,,,,,Blue group,\n'
    with read(
        pack(
            {
                "users": f"{users_header}\n{rows}",
                "enrollments": "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role\n",
            }
        )
    ) as roster:
        assert [person.grade for person in roster.people()] == ["07", "Blue group"]
        named = [(row.line, row.column, row.scope) for row in roster.rejected]
    assert named == [(2, "grades", "value"), (3, "grades", "value")]


def test_columns_enumerations_and_modes_are_read_in_any_case(pack):
    users = "SOURCEDID,EnabledUser,orgsourcedids,ROLE,givenname,familyname,EMAIL\n"
    users += "s1,TRUE,north,Student,Ada,Demo,ada@example.org\n"
    orgs = "sourcedId,name,type\nnorth,North,School\n"
    manifest = "propertyName,value\noneroster.version,1.1\nfile.orgs,Bulk\nfile.users,BULK\n"
    with read(pack({"orgs": orgs, "users": users}, only=True, manifest=manifest)) as roster:
        (person,) = roster.people()
        assert roster.rejected == ()
    assert (person.sourced_id, person.email, person.memberships[0].role) == ("s1", "ada@example.org", "student")


def test_rows_of_commas_are_no_rows(pack, users_header):
    row = "t9,,,true,north,teacher,,,Dora,Demo,,,dora9@example.org,,,,,"
    with read(
        pack(
            {
                "users": f'{users_header}\n{row}\n,,,,,,,,,,,,,,,,,\n"",,,,,,,,,,,,,,,,,\n',
                "enrollments": "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role\n,,,,\n",
            }
        )
    ) as roster:
        assert (roster.people_count, list(roster.enrolments()), roster.rejected) == (1, [], ())


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_another_separator_is_named_with_what_to_do(pack, users_header, mark):
    with pytest.raises(RosterRefused, match="save it as CSV with commas") as refused:
        read(pack({"users": users_header.replace(",", mark) + "\n"}))
    assert refused.value.code == "separator_unknown"


@pytest.mark.parametrize("column", ["emailAddress", "E-Mail", "mail", "e_mail"])
def test_a_column_that_looks_like_a_missing_one_is_named(pack, users_header, column):
    with read(
        pack(
            {
                "users": users_header.replace("email", column) + "\n",
                "enrollments": "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role\n",
            }
        )
    ) as roster:
        assert [(near.file, near.column, near.like) for near in roster.near_columns] == [("users.csv", column, "email")]


def test_a_whole_header_names_no_column(pack):
    with read(pack()) as roster:
        assert roster.near_columns == ()


def test_a_column_that_is_missing_says_nothing_and_an_empty_cell_says_none(pack, users_header):
    row = "t9,,,true,north,teacher,,,Dora,Demo,,,,,,,,"
    with read(pack({"users": f"{users_header}\n{row}\n"})) as roster:
        (person,) = roster.people()
    assert person.says("email", "sms", "phone", "grades", "agentSourcedIds")
    short = "sourcedId,enabledUser,orgSourcedIds,role,givenName,familyName\nt9,true,north,teacher,Dora,Demo\n"
    with read(pack({"users": short})) as roster:
        (person,) = roster.people()
    assert person.unsaid == {"email", "sms", "phone", "grades", "agentSourcedIds"}


def test_an_upload_of_which_every_row_is_refused_is_refused_whole(pack, users_header):
    empty = "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role\n"
    row = "t9,,,true,nowhere,teacher,,,Dora,Demo,,,,,,,,"
    classes = "sourcedId,title,courseSourcedId,classType,schoolSourcedId,termSourcedIds\n"
    with read(pack({"users": f"{users_header}\n{row}\n", "classes": classes, "enrollments": empty})) as roster:
        assert roster.refused_whole
    with read(pack()) as roster:
        assert not roster.refused_whole

"""Make a small roster with mistakes, to show rejected rows. It is a delta, so it removes no person."""

from dataclasses import dataclass

from cli.demo import oneroster
from cli.demo.oneroster import Row

SCHOOL = "school-bramble"
WHEN = "2026-09-01T08:00:00Z"
ACTIVE = ("active", WHEN)


@dataclass(frozen=True, slots=True)
class Mistake:
    """The place of a mistake that an import must report: file, line (the header is 1) and column."""

    file: str
    line: int
    column: str


def build() -> tuple[bytes, tuple[Mistake, ...]]:
    """Return the zip and its mistakes.

    Of nine people five are accepted: one without its address, one without its guardian.
    """
    roster = oneroster.pack(
        {
            "orgs": [(SCHOOL, *ACTIVE, "Demo School Bramble", "school", "", "", "Europe/Berlin")],
            "users": _users(),
        },
        "delta",
    )
    return roster, MISTAKES


MISTAKES = (
    Mistake("users.csv", 4, "email"),
    Mistake("users.csv", 5, "orgSourcedIds"),
    Mistake("users.csv", 6, "role"),
    Mistake("users.csv", 7, "sourcedId"),
    Mistake("users.csv", 8, "familyName"),
    Mistake("users.csv", 9, "agentSourcedIds"),
)


def _users() -> list[Row]:
    return [
        _user("bramble-student-1", agents="bramble-guardian-1", grade="03"),
        _user("bramble-guardian-1", role="guardian", email="ada.demo-bramble-0001@example.org"),
        _user("bramble-guardian-2", role="guardian", email="ada at example.org"),
        _user("bramble-student-2", org="school-that-is-not-there"),
        _user("bramble-person-1", role="wizard"),
        _user("bramble-student-1", grade="04"),
        _user("bramble-student-3", family=""),
        _user("bramble-student-4", agents="nobody-at-all", grade="05"),
        _user("bramble-teacher-1", role="teacher", email="belo.demo-bramble-0002@example.org"),
    ]


def _user(
    sourced_id: str,
    *,
    org: str = SCHOOL,
    role: str = "student",
    family: str = "Demo-Bramble 0001",
    email: str = "",
    agents: str = "",
    grade: str = "",
) -> Row:
    login = (sourced_id, "", "Ada", family, "", "")
    return (sourced_id, *ACTIVE, "true", org, role, *login, email, "", "", agents, grade, "")

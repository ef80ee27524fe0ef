"""A generated OneRoster 1.1 upload of so many people, made up from numbers: the same bytes for the same size."""

import io
import zipfile
from collections.abc import Iterable

SCHOOLS = 20
CLASS_SIZE = 25
STUDENTS = 0.45
GUARDIANS = 0.5
COMMON = "sourcedId,status,dateLastModified,"
HEADERS = {
    "orgs": "name,type,identifier,parentSourcedId",
    "academicSessions": "title,type,startDate,endDate,parentSourcedId,schoolYear",
    "courses": "title,orgSourcedId",
    "classes": "title,grades,courseSourcedId,classCode,classType,schoolSourcedId,termSourcedIds",
    "users": "enabledUser,orgSourcedIds,role,givenName,familyName,email,sms,phone,agentSourcedIds,grades",
    "enrollments": "classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate",
}


def students(people: int) -> int:
    """Return how many of so many people are students; each is in one class."""
    return int(people * STUDENTS)


def pack(people: int) -> bytes:
    """Write the zip: students with a guardian and a class each, guardians, teachers, twenty schools, two terms."""
    pupils, guardians = students(people), int(people * GUARDIANS)
    rooms = max(pupils // CLASS_SIZE, SCHOOLS)
    files = {
        "orgs": (f"school{s},,,School {s},school,," for s in range(SCHOOLS)),
        "academicSessions": (
            "year,,,Year,schoolYear,2026-08-01,2027-08-01,,2027",
            "term1,,,Autumn,term,2026-08-01,2027-02-01,year,2027",
            "term2,,,Spring,term,2027-02-01,2027-08-01,year,2027",
        ),
        "courses": (f"course{s},,,Homeroom,school{s}" for s in range(SCHOOLS)),
        "classes": (
            f'class{c},,,Class {c},{c % 12 + 1:02},course{c % SCHOOLS},C{c},homeroom,school{c % SCHOOLS},"term1,term2"'
            for c in range(rooms)
        ),
        "users": _users(pupils, guardians, people - pupils - guardians, rooms),
        "enrollments": _enrolments(pupils, people - pupils - guardians, rooms),
    }
    manifest = ["propertyName,value", "manifest.version,1.0", "oneroster.version,1.1"]
    manifest += [f"file.{name},bulk" for name in files]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.csv", "\n".join(manifest) + "\n")
        for name, rows in files.items():
            archive.writestr(f"{name}.csv", "\n".join([COMMON + HEADERS[name], *rows]) + "\n")
    return out.getvalue()


def _users(pupils: int, guardians: int, teachers: int, rooms: int) -> Iterable[str]:
    for n in range(pupils):
        room, home = n % rooms, n % guardians
        who = f"student{n},,,true,school{room % SCHOOLS},student,Given{n % 997},Family{n % 4001}"
        yield f"{who},,,,guardian{home},{room % 12 + 1:02}"
    for n in range(guardians):
        who = f"guardian{n},,,true,school{n % rooms % SCHOOLS},guardian,Given{n % 991},Family{n % 4001}"
        yield f"{who},guardian{n}@example.org,+999{n},,,"
    for n in range(teachers):
        who = f"teacher{n},,,true,school{n % rooms % SCHOOLS},teacher,Given{n % 983},Family{n % 4001}"
        yield f"{who},teacher{n}@example.org,,,,"


def _enrolments(pupils: int, teachers: int, rooms: int) -> Iterable[str]:
    for who, count, role in (("student", pupils, "student"), ("teacher", teachers, "teacher")):
        for n in range(count):
            room = n % rooms
            yield f"{who}-enrolment{n},,,class{room},school{room % SCHOOLS},{who}{n},{role},,2026-08-01,"

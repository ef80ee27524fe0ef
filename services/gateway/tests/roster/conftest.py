import io
import zipfile
from collections.abc import Callable

import pytest

Pack = Callable[..., io.BytesIO]

ORGS = """sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId,metadata.timezone
group,,,Group,district,,,
north,,,North,school,,group,Europe/Berlin
south,,,South,school,,group,America/New_York
science,,,Science,department,,north,
"""
SESSIONS = """sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear
year,,,Year,schoolYear,2026-08-01,2027-08-01,,2027
term,,,Autumn,term,2026-08-01,2027-01-01,year,2027
"""
COURSES = """sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,\
subjects
math,,,,Mathematics,,,north,
"""
CLASSES = """sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,\
schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods
math-7a,,,Maths 7a,07,math,7A,scheduled,,north,term,,,
"""
USERS_HEADER = (
    "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,"
    "middleName,identifier,email,sms,phone,agentSourcedIds,grades,password"
)
USERS = f"""{USERS_HEADER}
s1,,,true,north,student,,,Ada,Demo,,,,,,g1,7,
s2,,,true,south,student,,,Belo,Demo,,,,,,,08,
g1,,,true,"north,south",guardian,,,Caro,Demo,,,caro@example.org,+999 1,+999 2,"s1,s2",,
t1,,,true,north,teacher,,,Dora,Demo,,,dora@example.org,,,,,
"""
ENROLLMENTS = """sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,\
beginDate,endDate
e1,,,math-7a,north,s1,student,,2026-08-01,
e2,,,math-7a,north,t1,teacher,true,,
"""
FILES = {
    "orgs": ORGS,
    "academicSessions": SESSIONS,
    "courses": COURSES,
    "classes": CLASSES,
    "users": USERS,
    "enrollments": ENROLLMENTS,
}


def _pack(
    files: dict[str, str | bytes] | None = None,
    *,
    version: str = "1.1",
    mode: str = "bulk",
    only: bool = False,
    manifest: str | None = None,
) -> io.BytesIO:
    """The small right roster as a zip, with some files replaced; with only=True, of the given files alone."""
    chosen = {**({} if only else FILES), **(files or {})}
    lines = [
        "propertyName,value",
        f"oneroster.version,{version}",
        *(f"file.{name},{mode}" for name in chosen),
    ]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.csv", "\n".join(lines) if manifest is None else manifest)
        for name, text in chosen.items():
            archive.writestr(f"{name}.csv", text)
    packed.seek(0)
    return packed


@pytest.fixture
def pack() -> Pack:
    return _pack


@pytest.fixture
def users_header() -> str:
    return USERS_HEADER


@pytest.fixture
def orgs() -> str:
    return ORGS

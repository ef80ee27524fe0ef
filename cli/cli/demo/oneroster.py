"""Pack rows into a OneRoster 1.1 CSV zip; the same rows give the same bytes."""

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping

Row = tuple[str, ...]
Files = Mapping[str, Iterable[Row]]

COMMON = ("sourcedId", "status", "dateLastModified")
HEADERS = {
    "orgs": (*COMMON, "name", "type", "identifier", "parentSourcedId", "metadata.timezone"),
    "academicSessions": (*COMMON, "title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear"),
    "courses": (
        *(*COMMON, "schoolYearSourcedId", "title", "courseCode"),
        *("grades", "orgSourcedId", "subjects", "subjectCodes"),
    ),
    "classes": (
        *(*COMMON, "title", "grades", "courseSourcedId", "classCode", "classType", "location"),
        *("schoolSourcedId", "termSourcedIds", "subjects", "subjectCodes", "periods"),
    ),
    "users": (
        *(*COMMON, "enabledUser", "orgSourcedIds", "role", "username", "userIds", "givenName", "familyName"),
        *("middleName", "identifier", "email", "sms", "phone", "agentSourcedIds", "grades", "password"),
    ),
    "enrollments": (
        *(*COMMON, "classSourcedId", "schoolSourcedId", "userSourcedId"),
        *("role", "primary", "beginDate", "endDate"),
    ),
}
# The manifest must name every file of the standard; these are marked absent.
UNSENT = (
    "categories",
    "classResources",
    "courseResources",
    "demographics",
    "lineItems",
    "resources",
    "results",
)
FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the first day of zip: with the real time the bytes would differ


def pack(files: Files, mode: str) -> bytes:
    """Return the zip; `mode` (bulk or delta) holds for every given file, the others are marked absent."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in {"manifest": _manifest(files, mode), **_tables(files)}.items():
            entry = zipfile.ZipInfo(f"{name}.csv", FIXED_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text)
    return packed.getvalue()


def _manifest(files: Files, mode: str) -> str:
    lines = [("propertyName", "value"), ("manifest.version", "1.0"), ("oneroster.version", "1.1")]
    modes = {name: mode if name in files else "absent" for name in (*HEADERS, *UNSENT)}
    lines += [(f"file.{name}", word) for name, word in sorted(modes.items())]
    lines += [("source.systemName", "SchoolConnect demo"), ("source.systemCode", "demo")]
    return _csv(lines)


def _tables(files: Files) -> dict[str, str]:
    return {name: _csv([HEADERS[name], *rows]) for name, rows in files.items()}


def _csv(rows: Iterable[Row]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()

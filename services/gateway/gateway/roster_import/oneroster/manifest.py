"""manifest.csv: the version, and whether each file is complete (bulk), changes only (delta), or absent."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.roster_import.oneroster.archive import Archive
from gateway.roster_import.oneroster.errors import Rejections, RosterRefused
from gateway.roster_import.oneroster.table import Columns, Table
from gateway.roster_import.oneroster.vocabulary import FILES, MANIFEST, ROLES, USERS

MAX_SIZE = 64 * 1024
MAX_SOURCE = 100
VERSIONS = ("1.1", "1.2")
COLUMNS = Columns(names=("propertyName", "value"), required=("propertyName", "value"))


class Mode(StrEnum):
    BULK = "bulk"
    DELTA = "delta"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Manifest:
    """`source` names the system that the upload comes from; "" when the manifest does not say."""

    version: str
    modes: Mapping[str, Mode]
    source: str


def read_manifest(archive: Archive) -> Manifest:
    """Refuses: no manifest, another version, a mode that is none, an announced file that is missing."""
    if MANIFEST not in archive.names:
        raise RosterRefused("manifest_missing", f"{MANIFEST} is not at the root of the zip")
    if archive.size(MANIFEST) > MAX_SIZE:
        raise RosterRefused("manifest_invalid", f"{MANIFEST} is far too large")
    rejections = Rejections()
    properties = {row[0]: row[1] for _, row in Table(archive, MANIFEST, COLUMNS).rows(rejections)}
    if rejections.rows:
        raise RosterRefused("manifest_invalid", f"{MANIFEST}, line {rejections.rows[0].line}: cannot be read")
    version = properties.get("oneroster.version", "")[:3]
    if version not in VERSIONS:
        raise RosterRefused("version_unknown", f"oneroster.version is not one of {', '.join(VERSIONS)}")
    modes = {name: _mode(properties, name, archive.names) for name in FILES}
    if all(mode is Mode.ABSENT for mode in modes.values()):
        raise RosterRefused("roster_empty", "the manifest announces none of the files that are read here")
    if version == "1.2" and modes[USERS] is Mode.BULK and modes[ROLES] is Mode.ABSENT:
        raise RosterRefused("file_missing", f"{USERS} is bulk, but {ROLES}, which places people, is absent")
    source = properties.get("source.systemCode", "") or properties.get("source.systemName", "")
    return Manifest(version, modes, source[:MAX_SOURCE])


def _mode(properties: Mapping[str, str], name: str, present: frozenset[str]) -> Mode:
    word = properties.get("file." + name.removesuffix(".csv"), "") or Mode.ABSENT
    try:
        mode = Mode(word.casefold())
    except ValueError:
        raise RosterRefused(
            "manifest_invalid", f"the manifest's entry for {name} is not bulk, delta or absent"
        ) from None
    if mode is not Mode.ABSENT and name not in present:
        raise RosterRefused("file_missing", f"the manifest announces {name}, but it is not in the zip")
    return mode

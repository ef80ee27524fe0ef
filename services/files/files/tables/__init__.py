"""The file service's tables; the spine's are in `shared.persistence.tables`. Row-level security is in `migrations`."""

from files.tables.base import FilesTable
from files.tables.directory import PersonRow, SchoolRow, StudentRow
from files.tables.files import FileRow, FileShown, FileState, ReadingRow, TombstoneRow

__all__ = [
    "FileRow",
    "FileShown",
    "FileState",
    "FilesTable",
    "PersonRow",
    "ReadingRow",
    "SchoolRow",
    "StudentRow",
    "TombstoneRow",
]

"""Files: uploaded, read, confirmed by a person, deleted."""

import datetime as dt
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.event import Event, Personal
from shared.events.values import Part, Role

FileKind = Literal["transcript", "behavior_report", "payment_receipt", "other"]


class FileEvent(Event):
    """A fact about one uploaded file. A fact with a higher `version` is newer; an upload has version 0."""

    file_id: UUID
    school_id: UUID
    version: int = 0

    @property
    def subject(self) -> str:
        return str(self.file_id)

    @property
    def sealed_for(self) -> UUID:
        return self.file_id


class FileUploaded(FileEvent):
    """A file was stored and waits to be read. `directory_version` is the school's at the upload."""

    topic: ClassVar[str] = "file.uploaded"

    task_id: UUID
    kind: FileKind
    directory_version: int = 0
    student_id: UUID | None = None
    name: Annotated[str, Personal] = ""
    media_type: str = ""
    size: int
    sha256: str
    duplicate_of: UUID | None = None
    uploaded_by: UUID | None = None
    uploader_role: Role | None = None
    uploaded_at: dt.datetime


class FileRefused(FileEvent):
    """A file cannot be used; `code` says why."""

    topic: ClassVar[str] = "file.refused"
    log_only: ClassVar[bool] = True

    task_id: UUID | None = None
    code: str
    refused_at: dt.datetime


class FileNeedsReview(FileEvent):
    """A file was read, and a person has to confirm what it says."""

    topic: ClassVar[str] = "file.needs_review"
    log_only: ClassVar[bool] = True

    task_id: UUID | None = None
    kind: FileKind
    reasons: tuple[str, ...] = ()
    read_at: dt.datetime


class RecordFound(Part):
    """One record that a file says: `facts` are the fields of the record's own event."""

    kind: Literal["payment", "behavior", "grade"]
    student_id: UUID
    facts: dict[str, Any] = Field(default_factory=dict)


class FileFinding(FileEvent):
    """What a file says, as records. `revision` counts the readings of the file.

    `records` is empty for kinds without records, and once the texts of the file were erased.
    """

    kind: FileKind
    revision: int = 1
    records: Annotated[tuple[RecordFound, ...], Personal] = ()


class FileProcessed(FileFinding):
    """A file was read with enough confidence to be recorded without a person."""

    topic: ClassVar[str] = "file.processed"

    task_id: UUID | None = None
    uploaded_by: UUID | None = None
    processed_at: dt.datetime


class FileConfirmed(FileFinding):
    """A person confirmed or corrected what a file says."""

    topic: ClassVar[str] = "file.confirmed"

    confirmed_by: UUID | None = None
    confirmed_at: dt.datetime


class FileDeleted(FileEvent):
    """A file was deleted; it can be restored until it is purged."""

    topic: ClassVar[str] = "file.deleted"

    deleted_by: UUID | None = None
    deleted_at: dt.datetime


class FileRestored(FileEvent):
    """A deleted file was restored."""

    topic: ClassVar[str] = "file.restored"

    restored_by: UUID | None = None
    restored_at: dt.datetime


class FilesCleaned(Event):
    """Files deleted long enough ago were purged; `failed` ones are tried again by the next run."""

    topic: ClassVar[str] = "files.cleaned"
    log_only: ClassVar[bool] = True

    run_id: UUID
    purged: int
    failed: int
    cleaned_at: dt.datetime

    @property
    def subject(self) -> str:
        return str(self.run_id)

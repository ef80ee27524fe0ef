"""Selects files for people: lists, and one file with what it says."""

from sqlalchemy import literal_column
from sqlmodel import and_, case, col, func, literal, null

from files.review.schemas import ListedFile, ShownFile
from files.tables import FileRow, ReadingRow
from shared.persistence.query import Query, given, showing

SHOWN_STATE = case(
    (col(FileRow.purging_at).is_not(None), literal("purging")),
    (col(FileRow.deleted_at).is_not(None), literal("deleted")),
    else_=col(FileRow.state),
)
OF_SCHOOL = col(FileRow.school_id) == given("school")
CONDITIONS = {
    "id": col(FileRow.file_id) == given("id"),
    "state": given("state") == SHOWN_STATE,
    "kind": col(FileRow.kind) == given("kind"),
    "student": col(FileRow.student_id) == given("student"),
    "uploaded_by": col(FileRow.uploaded_by) == given("uploaded_by"),
    "present": col(FileRow.deleted_at).is_(None) == given("present"),
    "after": col(FileRow.file_id) < given("after"),
}
LIST_FILES = Query(
    ListedFile,
    showing(ListedFile, FileRow, id=FileRow.file_id, state=SHOWN_STATE)
    .where(OF_SCHOOL)
    .order_by(col(FileRow.file_id).desc())
    .limit(given("limit")),
    **CONDITIONS,
)
"""Newest first."""

READ_FILE = Query(
    ShownFile,
    showing(
        ShownFile,
        FileRow,
        id=FileRow.file_id,
        state=SHOWN_STATE,
        fields=func.coalesce(ReadingRow.fields, literal_column("'{}'::jsonb")),
        rows=func.coalesce(ReadingRow.rows, literal_column("'[]'::jsonb")),
        notices=func.coalesce(ReadingRow.notices, literal_column("'{}'::text[]")),
        read_at=ReadingRow.read_at,
        links=null(),
    )
    .select_from(FileRow)
    .outerjoin(
        ReadingRow,
        and_(col(ReadingRow.file_id) == FileRow.file_id, col(ReadingRow.revision) == FileRow.revision),
    )
    .where(OF_SCHOOL, col(FileRow.file_id) == given("id")),
)
"""One file with the reading that its state follows from."""

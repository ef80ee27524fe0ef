"""What people see of files, and what they confirm."""

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from files.tables import FileShown

ShownState = Literal["stored", "processed", "refused", "needs_review", "confirmed", "deleted", "purging"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,49}$")]
Value = Annotated[str, StringConstraints(max_length=5000, pattern=r"^[^\x00]*$")]
Row = dict[Name, Value | None]


class Share(BaseModel):
    """One sibling's part of a receipt."""

    model_config = ConfigDict(extra="forbid")

    student_id: UUID
    amount: Annotated[str, StringConstraints(max_length=20)]


class Confirmation(BaseModel):
    """Corrections of what a file says; what is missing stays as it was read. `rows` replaces all rows.

    `another_one`: the file is not the earlier one that it looks like. `splits` divides a receipt among siblings, and
    comes to its amount.
    """

    model_config = ConfigDict(extra="forbid")

    student_id: UUID | None = None
    fields: Row = Field(default={}, max_length=50)
    rows: list[Row] | None = Field(default=None, max_length=1000)
    another_one: bool = False
    splits: list[Share] | None = Field(default=None, min_length=2, max_length=20)


class ShownBox(BaseModel):
    """A rectangle on a page, as fractions (0 to 1) of its width and height, from the top left corner."""

    x0: float
    y0: float
    x1: float
    y1: float


class ShownField(BaseModel):
    """One value: as it was understood, how sure that is (0 to 1), and where it stands."""

    value: str
    confidence: float
    page: int | None = None
    box: ShownBox | None = None
    text: str = ""


class ListedFile(FileShown):
    """A file in a list. `state` is `deleted` or `purging` as well."""

    id: UUID
    state: ShownState
    thumbnails: list[str]


class FilePage(BaseModel):
    """Files, newest first; pass `next` as `after` to go on."""

    items: list[ListedFile]
    next: UUID | None


class ShownFile(ListedFile):
    """A file with what it says: as read, and as recorded. `revision` is the reading that it shows.

    The gateway adds `links`: short-lived addresses of the `original`, and of thumbnails by their width.
    """

    fields: dict[str, ShownField]
    rows: list[dict[str, ShownField]]
    notices: list[str]
    records: list[dict[str, Any]] | None
    read_at: dt.datetime | None
    links: dict[str, str] | None = None

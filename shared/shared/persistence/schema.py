"""Declares tables: the base class, and properties of a column that an annotation cannot express.

Most columns are an annotation: `str` is text, `int` integer, `datetime` timestamptz, and `| None` is nullable. The
migrations create the tables; a test of each service compares both (`shared.testing.drift`).
"""

import re
from typing import Any

from sqlalchemy import Identity, MetaData, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import declared_attr
from sqlmodel import AutoString, Field, SQLModel

NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(referred_table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
}
"""Names of constraints without an explicit name; checks and indexes always have one."""


class Table(SQLModel):
    """A row of a table. The class names the table: `ImportPartRow` is a row of `import_part`.

    SQLModel does not validate such a class; it only declares columns for statements.
    """

    @declared_attr.directive
    def __tablename__(cls) -> str:  # noqa: N805  # SQLAlchemy calls it with the class
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__.removesuffix("Row")).lower()


def schema() -> MetaData:
    """Return the metadata of one schema. Each has its own, because services have tables of the same name."""
    return MetaData(naming_convention=NAMES)


def column(
    kind: Any = None,
    *,
    key: bool = False,
    default: str | None = None,
    references: str | None = None,
    unique: bool = False,
    generated: bool = False,
    comment: str | None = None,
) -> Any:
    """Describe a column beyond its annotation. `kind` is its type, if the annotation has another one.

    `default` is an SQL expression as in a migration, `references` is "table.column", and the database generates the
    numbers of a `generated` column.
    """
    more: dict[str, Any] = {} if kind is None else {"sa_type": kind}
    if references is not None:
        more["foreign_key"] = references
    if generated:
        more["sa_column_args"] = [Identity(always=True)]
    of_column: dict[str, Any] = {"comment": comment, "unique": unique or None}
    if default is not None:
        of_column["server_default"] = text(default)
    return Field(primary_key=key, sa_column_kwargs=of_column, **more)


@compiles(AutoString, "postgresql")
def _as_text(_: AutoString, __: Any, **___: Any) -> str:
    """Declare unlimited strings as `text`, where SQLModel has VARCHAR."""
    return "TEXT"

"""How a table is declared: the base of every table's class, and what an annotation alone cannot say of a column.

Most columns are an annotation: `str` is text, `int` integer, `datetime` timestamptz, and `| None` is nullable. The
migrations make the tables; a test of each service holds the two against each other (`shared.testing.drift`).
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
"""How constraints are called that are given no name; checks and indexes always have one."""


class Table(SQLModel):
    """A row of a table. The table is named by the class: `ImportPartRow` is a row of `import_part`.

    SQLModel checks no values of such a class: it declares columns, statements select them.
    """

    @declared_attr.directive
    def __tablename__(cls) -> str:  # noqa: N805  # SQLAlchemy calls it with the class
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__.removesuffix("Row")).lower()


def schema() -> MetaData:
    """The tables of one schema; several services have tables of the same name."""
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
    """Describe what the annotation does not: `kind` is the type where PostgreSQL's is another.

    `default` is an SQL expression as a migration writes it, `references` is "table.column", and the database numbers
    the rows of a `generated` column.
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
    """PostgreSQL's strings without a limit are `text`, where SQLModel says VARCHAR."""
    return "TEXT"

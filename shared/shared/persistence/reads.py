"""Select rows through the models of tables, on a transaction's own connection: its role, school and errors stay.

For lists, single rows and administration. Compiling costs a few tenths of a millisecond each time (decision 0026), so
statements that run for every event or send stay SQL.
"""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, TypeVarTuple

from psycopg.rows import DictRow
from pydantic import BaseModel
from sqlalchemy import Select, make_url, select

from shared.persistence.schema import Table

Answer = TypeVar("Answer", bound=BaseModel)
Columns = TypeVarTuple("Columns")

DIALECT = make_url("postgresql+psycopg://").get_dialect()()


class Rows(Protocol):
    """What a transaction can do, as far as it is needed here."""

    async def rows(self, query: str, values: dict[str, Any], /) -> list[DictRow]:
        """All rows of a statement."""
        ...


def compiled(statement: Select[*Columns]) -> tuple[str, dict[str, Any]]:
    """Compile a statement for psycopg: its text and its values."""
    found = statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
    return str(found), dict(found.params)


async def select_all(tx: Rows, statement: Select[*Columns]) -> list[tuple[*Columns]]:
    """Select rows as tuples of the statement's columns."""
    return [tuple(row.values()) for row in await tx.rows(*compiled(statement))]


def showing(answer: type[BaseModel], table: type[Table], /, **others: Any) -> Select[*tuple[Any, ...]]:
    """Begin a statement for the fields of an answer: columns of `table`, or what `others` gives for a name."""
    names = answer.model_fields
    columns: Mapping[str, Any] = {name: others[name] if name in others else getattr(table, name) for name in names}
    return select(*(each.label(name) for name, each in columns.items()))


async def select_as(tx: Rows, answer: type[Answer], statement: Select[*Columns]) -> list[Answer]:
    """Select rows as answers, whose fields are the statement's columns."""
    return [answer.model_validate(row) for row in await tx.rows(*compiled(statement))]

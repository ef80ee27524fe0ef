"""Selects rows through the models of tables, on the connection of a transaction, with its role and its school.

Use it for lists, single rows and administration. Statements that run for each event or send, and statements whose logic
is SQL itself, are written as SQL.

    TASKS = Query(
        Task,
        showing(Task, TaskRow, id=TaskRow.task_id).order_by(col(TaskRow.task_id).desc()).limit(given("limit")),
        state=col(TaskRow.state) == given("state"),
        after=col(TaskRow.task_id) < given("after"),
    )
    newest = await TASKS.all(tx, state="failed", after=None, limit=50)
"""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from psycopg.rows import DictRow
from pydantic import BaseModel
from sqlalchemy import BindParameter, ColumnExpressionArgument, Select, bindparam, make_url, select
from sqlalchemy.sql.compiler import SQLCompiler

from shared.persistence.schema import Table

Answer = TypeVar("Answer", bound=BaseModel)
Statement = Select[*tuple[Any, ...]]

DIALECT = make_url("postgresql+psycopg://").get_dialect()()


class Rows(Protocol):
    """A transaction that can select rows."""

    async def rows(self, query: str, values: dict[str, Any], /) -> list[DictRow]:
        """Return all rows of a statement."""
        ...


def given(name: str, kind: Any = None) -> BindParameter[Any]:
    """Make a parameter whose value is passed with each call; `kind` is its type if no column beside it defines it."""
    return bindparam(name, type_=kind, required=True)


def showing(answer: type[BaseModel], table: type[Table], /, **others: Any) -> Statement:
    """Begin a statement for the fields of a model: columns of `table`, or the expression in `others`."""
    columns = {name: others[name] if name in others else getattr(table, name) for name in answer.model_fields}
    return select(*(each.label(name) for name, each in columns.items()))


class Query(Generic[Answer]):
    """A statement whose rows become models, with optional conditions.

    A condition applies if its value is not None. Each set of conditions is compiled once (decision 0026) and has its
    own plan in PostgreSQL. A condition that must always apply belongs into the statement. `around` makes the whole
    statement of the one with its conditions, where these belong to an inner part.
    """

    def __init__(
        self,
        answer: type[Answer],
        statement: Statement,
        around: Callable[[Statement], Statement] = lambda inner: inner,
        /,
        **conditions: ColumnExpressionArgument[bool],
    ) -> None:
        self._answer = answer
        self._statement = statement
        self._around = around
        self._conditions = conditions
        self._compiled: dict[frozenset[str], tuple[str, dict[str, Any]]] = {}

    async def all(self, tx: Rows, /, **values: Any) -> list[Answer]:
        """Select all rows."""
        chosen = frozenset(name for name, value in values.items() if name not in self._conditions or value is not None)
        query, constants = self._compiled.get(chosen) or self._compile(chosen)
        return [self._answer.model_validate(row) for row in await tx.rows(query, constants | values)]

    async def first(self, tx: Rows, /, **values: Any) -> Answer | None:
        """Select the first row, or None."""
        found = await self.all(tx, **values)
        return found[0] if found else None

    def _compile(self, chosen: frozenset[str]) -> tuple[str, dict[str, Any]]:
        wanted = [condition for name, condition in self._conditions.items() if name in chosen]
        compiled = self._around(self._statement.where(*wanted)).compile(dialect=DIALECT)
        assert isinstance(compiled, SQLCompiler)
        needed = {name for name, bind in compiled.binds.items() if bind.required}
        if missing := needed - chosen:
            raise TypeError(f"missing values of the statement: {', '.join(sorted(missing))}")
        if unknown := chosen - needed - self._conditions.keys():
            raise TypeError(f"neither a value nor a condition of the statement: {', '.join(sorted(unknown))}")
        constants = {name: value for name, value in compiled.params.items() if name not in needed}
        self._compiled[chosen] = found = (str(compiled), constants)
        return found

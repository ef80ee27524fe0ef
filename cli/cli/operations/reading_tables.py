"""Show what a file says as tables for people."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show(answer: dict[str, Any]) -> None:
    """Print the verdict on a file, its fields and its rows."""
    console = Console()
    console.print(f"[bold]{_shown(answer['path'])}[/bold]: {_shown(_verdict(answer))}", highlight=False, soft_wrap=True)
    if answer["fields"]:
        console.print(_fields(answer["fields"]))
    if answer["rows"]:
        console.print(_rows(answer["rows"]))
    for notice in answer["notices"]:
        console.print(f"note: {_shown(notice)}", highlight=False)
    console.print()


def _verdict(answer: dict[str, Any]) -> str:
    if answer["verdict"] == "refused":
        return f"refused ({answer['reason']}). {answer['message']}"
    if answer["needs_review"]:
        return f"accepted, needs a review ({', '.join(answer['review_reasons'])})"
    return "accepted"


def _fields(fields: dict[str, dict[str, Any]]) -> Table:
    table = Table("field", "value", "confidence", "page")
    for name, field in fields.items():
        page = "" if field["page"] is None else str(field["page"])
        table.add_row(_shown(name), _shown(field["value"]), f"{field['confidence']:.2f}", page)
    return table


def _rows(rows: list[dict[str, str]]) -> Table:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(*columns)
    for row in rows:
        table.add_row(*(_shown(row.get(name, "")) for name in columns))
    return table


def _shown(text: str) -> str:
    """Return a text that a terminal only shows: what a file says must not move the cursor or set colours."""
    return escape("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text))

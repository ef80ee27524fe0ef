"""Show progress bars on a terminal, plain lines elsewhere, and the tables at the end."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cli.demo.client import Sent
from cli.demo.reconcile import Balance, Line, balance

Report = Callable[[float], None]
PAGE = 120
COLUMNS = ("planned", "accepted", "failed", "suppressed", "held", "other")


class Screen:
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or _console()

    @contextmanager
    def step(self, title: str) -> Iterator[Report]:
        """Show one step; call the yielded function with the finished share, from 0 to 1."""
        begun = time.monotonic()
        if self.console.is_terminal:
            bars = (TextColumn("{task.description:<34}"), BarColumn(), TimeElapsedColumn())
            with Progress(*bars, console=self.console) as progress:
                bar = progress.add_task(title, total=1.0)
                yield lambda share: progress.update(bar, completed=share)
                progress.update(bar, completed=1.0)
        else:
            self.say(f"{title} …")
            yield lambda _: None
            self.say(f"{title}: done in {time.monotonic() - begun:.1f} s")

    def say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def day(self, played: Sequence[tuple[str, Sequence[Sent]]]) -> None:
        """Print the outcome of each scene."""
        table = Table("scene", title="The school day")
        for name in ("notifications", *COLUMNS):
            table.add_column(name, justify="right")
        for title, sent in played:
            lines = balance(sent, {}, {}).lines
            figures = (sum(getattr(line, name) for line in lines) for name in COLUMNS)
            table.add_row(title, str(len(sent)), *(f"{figure:,}" for figure in figures))
        self.console.print(table)

    def table(self, result: Balance) -> None:
        table = Table("channel", title="Deliveries by channel")
        for name in (*COLUMNS, "fake received", ""):
            table.add_column(name, justify="right")
        for line in result.lines:
            table.add_row(line.channel, *(f"{getattr(line, name):,}" for name in COLUMNS), *_outside(line))
        self.console.print(table)


def _console() -> Console:
    # A file or a pipe has no width to which the tables must be fitted.
    found = Console()
    return found if found.is_terminal else Console(width=PAGE)


def _outside(line: Line) -> tuple[str, str]:
    if line.received is None:
        return "", ""
    return f"{line.received:,}", "agrees" if line.agrees else "DIFFERS"

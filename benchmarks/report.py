"""The figures of a scenario and their bounds."""

import json
import operator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from rich.console import Console
from rich.table import Table

Verdict = Literal["holds", "FAILS", "not compared", ""]
HOLDS: Final = "holds"
FAILS: Final = "FAILS"
NOT_COMPARED: Final = "not compared"
NO_BOUND: Final = ""
SIGNS = {"≥": operator.ge, "≤": operator.le, "=": operator.eq}


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `bound` is written as "≥ 0.8"; empty for a figure without one."""

    name: str
    value: float | None
    unit: str
    bound: str
    verdict: Verdict


class Report:
    """Rows of one scenario. Each call adds one; a value without a bound is shown and not judged."""

    def __init__(self, verb: str, name: str, seed: int) -> None:
        self.verb = verb
        self.name = name
        self.seed = seed
        self.rows: list[Row] = []
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep a detail for the file; the table does not show it."""
        self.notes.append(text)

    def figure(self, name: str, value: float, unit: str) -> None:
        """A figure without a bound."""
        self.rows.append(Row(name, value, unit, "", NO_BOUND))

    def at_least(self, name: str, value: float, unit: str, bound: float) -> None:
        """Holds when `value` ≥ `bound`."""
        self._judge(name, value, unit, "≥", bound)

    def at_most(self, name: str, value: float, unit: str, bound: float) -> None:
        """Holds when `value` ≤ `bound`."""
        self._judge(name, value, unit, "≤", bound)

    def exactly(self, name: str, value: float, unit: str, bound: float) -> None:
        """Holds when `value` is `bound`: promises that do not depend on the machine; smoke tests assert these."""
        self._judge(name, value, unit, "=", bound)

    def times_peer(self, name: str, ours: float, peer: float | None, bound: float) -> None:
        """Holds when `ours` ≥ `bound` × `peer`; None (no PEER_DIR) is `not compared`, which is not a pass."""
        if peer is None:
            self.rows.append(Row(name, None, "× peer", f"≥ {bound:g}", NOT_COMPARED))
        else:
            self._judge(name, ours / peer, "× peer", "≥", bound)

    def _judge(self, name: str, value: float, unit: str, sign: str, bound: float) -> None:
        verdict: Verdict = HOLDS if SIGNS[sign](value, bound) else FAILS
        self.rows.append(Row(name, value, unit, f"{sign} {bound:g}", verdict))

    def broken(self) -> list[str]:
        """Return the rows that are not a pass, as one line each."""
        return [f"{row.name}: {_shown(row.value)} {row.unit}, bound {row.bound}: {row.verdict}" for row in self.rows
                if row.verdict in {FAILS, NOT_COMPARED}]  # fmt: skip

    def broken_promises(self) -> list[str]:
        """As `broken`, but only rows added by `exactly`, which hold at any size and speed."""
        return [f"{row.name}: {_shown(row.value)}, bound {row.bound}" for row in self.rows
                if row.verdict == FAILS and row.bound.startswith("=")]  # fmt: skip

    def show(self, console: Console) -> None:
        """Print the table and the verdict."""
        table = Table(title=f"{self.verb} {self.name} (seed {self.seed})", title_justify="left")
        table.add_column("figure")
        table.add_column("value", justify="right")
        table.add_column("unit")
        table.add_column("bound", justify="right")
        table.add_column("verdict")
        colours = {FAILS: "bold red", NOT_COMPARED: "yellow", HOLDS: "green", NO_BOUND: ""}
        for row in self.rows:
            table.add_row(
                row.name, _shown(row.value), row.unit, row.bound, row.verdict, style=colours[row.verdict] or None
            )
        console.print(table)
        count = {verdict: sum(row.verdict == verdict for row in self.rows) for verdict in (HOLDS, FAILS, NOT_COMPARED)}
        verdicts = ", ".join(f"{number} {verdict}" for verdict, number in count.items() if number)
        missing = " (PEER_DIR names no peer to measure beside)" if count[NOT_COMPARED] else ""
        console.print(f"{self.verb} {self.name}: {'not a pass' if self.broken() else 'pass'}: {verdicts}{missing}\n")

    def write(self, folder: Path) -> None:
        """Write `folder`/<name>.json: the rows, and whether all of them hold."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "name": self.name,
            "seed": self.seed,
            "holds": not self.broken(),
            "rows": list(map(asdict, self.rows)),
            "notes": self.notes,
        }
        (folder / f"{self.name}.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004  # whole figures read best

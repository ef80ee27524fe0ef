"""Geometry of charts, which the templates draw as SVG. Pure: numbers in, places out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 720.0
HEIGHT = 160.0
GAP = 0.2
"""Of a bar's place, so that bars are apart."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it counts, its place, and the name of its kind."""

    kind: str
    value: float
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars in a box of `width` by `height`, with lines at round values."""

    width: float
    height: float
    bars: tuple[Bar, ...]
    lines: tuple[tuple[float, float], ...]
    """Each is a value and its height in the box."""
    top: float
    most: float
    """The highest place of the series."""

    @property
    def strokes(self) -> dict[str, str]:
        """The bars of each kind as one path, a fifth of the bytes of bars with a text each."""
        found: dict[str, str] = {}
        for bar in self.bars:
            line = f"M{bar.x + bar.width / 2:.0f} {bar.y + bar.height:.1f}V{bar.y:.1f}"
            found[bar.kind] = found.get(bar.kind, "") + line
        return found


def round_top(most: float) -> float:
    """Return the next round number: 1, 2 or 5 times a power of ten."""
    if most <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= most)


def stacked_bars(series: Sequence[Sequence[tuple[str, float]]]) -> Chart:
    """Return a bar for each place of the series; its kinds stand on each other in their order."""
    most = max((sum(value for _, value in place) for place in series), default=0.0)
    top = round_top(most)
    step = WIDTH / max(1, len(series))
    bars: list[Bar] = []
    for nth, place in enumerate(series):
        below = 0.0
        for kind, value in place:
            tall = HEIGHT * value / top
            if value:
                x = nth * step + step * GAP / 2
                bars.append(Bar(kind, value, round(x, 1), round(HEIGHT - below - tall, 1), _wide(step), round(tall, 1)))
            below += tall
    marks = (0.0, top / 2, top) if top > 1 else (0.0, top)
    lines = tuple((value, round(HEIGHT - HEIGHT * value / top, 1)) for value in marks)
    return Chart(WIDTH, HEIGHT, tuple(bars), lines, top, most)


def _wide(step: float) -> float:
    return round(step * (1 - GAP), 1)

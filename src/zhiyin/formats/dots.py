"""A picture of figures with their intervals: one line per figure, a dot per series. Knows numbers and names, not what they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zhiyin.formats.columns import COLOURS
from zhiyin.formats.svg import SVG, shape

WIDTH, LABEL, RIGHT, ROW = 900.0, 330.0, 70.0, 24.0


@dataclass(frozen=True, slots=True)
class Dot:
    """One figure of a series (index), with the ends of its interval where it has one."""

    series: int
    value: float
    low: float | None = None
    high: float | None = None


def dots_svg(
    rows: Sequence[tuple[str, Sequence[Dot]]], names: Sequence[str], *, title: str, unit: str = "", marks: Sequence[float] = ()
) -> str:
    """The drawing as SVG text: rows (label, dots) from above, all to one scale from 0 on (or the least value), ``marks`` as lines."""
    values = [v for _, dots in rows for d in dots for v in (d.value, d.low, d.high) if v is not None]
    least, most = min([0.0, *values, *marks]), max([*values, *marks], default=1.0)
    scale = (WIDTH - LABEL - RIGHT) / ((most - least) or 1.0)
    head = 72.0
    height = head + ROW * len(rows) + 30

    def x(value: float) -> float:
        return LABEL + (value - least) * scale

    out = [shape("rect", width=WIDTH, height=height, fill="white"), shape("text", title, x=12, y=26, font_size=17)]
    for i, name in enumerate(names):
        out += [shape("circle", cx=20 + 190.0 * i, cy=48, r=6, fill=COLOURS[i]), shape("text", name, x=32 + 190.0 * i, y=53, font_size=13)]
    for mark in (least, *marks, most):
        dash = {"stroke_dasharray": "4 4"} if mark in marks else {}
        out += [shape("line", x1=x(mark), x2=x(mark), y1=head - 8, y2=height - 24, stroke="#999", **dash)]
        out += [shape("text", f"{mark:.3g} {unit}".strip(), x=x(mark), y=height - 8, font_size=11, text_anchor="middle")]
    for row, (label, dots) in enumerate(rows):
        y = head + ROW * (row + 0.5)
        out += [shape("text", label, x=LABEL - 12, y=y + 4, font_size=13, text_anchor="end")]
        out += [_dot(dot, x, y + 3.5 * (i - (len(dots) - 1) / 2)) for i, dot in enumerate(dots)]
    return f'<svg xmlns="{SVG}" viewBox="0 0 {WIDTH:.0f} {height:.0f}" width="{WIDTH:.0f}" height="{height:.0f}" font-family="sans-serif">{"".join(out)}</svg>'


def _dot(dot: Dot, x: Callable[[float], float], y: float) -> str:
    colour = COLOURS[dot.series]
    circle = shape("circle", cx=x(dot.value), cy=y, r=5, fill=colour)
    if dot.low is None or dot.high is None:
        return circle
    return shape("line", x1=x(dot.low), x2=x(dot.high), y1=y, y2=y, stroke=colour, stroke_width=3, stroke_opacity=0.5) + circle

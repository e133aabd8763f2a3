"""A picture of shares: one column per bar, split by colour, with a legend. Knows numbers and names, not what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zhiyin.errors import FormatError
from zhiyin.formats.files import atomic_write
from zhiyin.formats.raster import svg_to_png
from zhiyin.formats.svg import SVG, shape

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7f7f7f", "#f0e442")  # Okabe and Ito
WIDTH, HEIGHT, MARGIN, LINE = 1200.0, 150.0, 60.0, 24.0
BARS_PER_LINE = 64


def write_columns(
    path: str | Path, values: np.ndarray, names: Sequence[str], numbers: Sequence[int], *, title: str, unit: str
) -> Path:
    """Draws ``values`` (B, C) ≥ 0, stacked per bar, as .svg or .png. ``names``: of the C colours; ``numbers``: of the B bars."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".svg", ".png"):
        raise FormatError(f"{path} has no picture format", expected=".svg or .png", received=suffix or "no suffix")
    svg = columns_svg(values, names, numbers, title=title, unit=unit)
    return atomic_write(path, svg if suffix == ".svg" else svg_to_png(svg))


def columns_svg(values: np.ndarray, names: Sequence[str], numbers: Sequence[int], *, title: str, unit: str) -> str:
    """The drawing as SVG text: lines of at most BARS_PER_LINE bars, all to one scale."""
    top = float(values.sum(axis=1).max(initial=0.0)) or 1.0
    lines = [range(low, min(low + BARS_PER_LINE, len(values))) for low in range(0, len(values), BARS_PER_LINE)]
    legend_rows = (len(names) + 3) // 4
    head = 40 + LINE * legend_rows
    height = head + len(lines) * (HEIGHT + 44) + 10
    out = [shape("rect", width=WIDTH, height=height, fill="white"), shape("text", title, x=MARGIN, y=28, font_size=18)]
    for i, name in enumerate(names):
        x, y = MARGIN + (i % 4) * 270, 42 + LINE * (i // 4)
        out += [shape("rect", x=x, y=y, width=14, height=14, fill=COLOURS[i % len(COLOURS)]), shape("text", name, x=x + 20, y=y + 12, font_size=14)]
    across = (WIDTH - 2 * MARGIN) / min(max(len(values), 8), BARS_PER_LINE)
    for row, bars in enumerate(lines):
        floor = head + row * (HEIGHT + 44) + HEIGHT + 16
        out += _line(values[bars.start : bars.stop], [numbers[b] for b in bars], floor, across, HEIGHT / top)
        out += [shape("text", f"{top:.0f} {unit}", x=4, y=floor - HEIGHT + 4, font_size=11), shape("text", "0", x=MARGIN - 12, y=floor + 4, font_size=11)]
    return f'<svg xmlns="{SVG}" width="{WIDTH:.0f}" height="{height:.0f}" font-family="sans-serif">{"".join(out)}</svg>'


def _line(values: np.ndarray, numbers: Sequence[int], floor: float, across: float, scale: float) -> list[str]:
    """One line of columns standing on ``floor``, with its axis and every fourth bar's number."""
    out = [shape("line", x1=MARGIN, x2=MARGIN + across * len(values), y1=floor, y2=floor, stroke="#444")]
    for b, bar in enumerate(values):
        y, x = floor, MARGIN + b * across
        for c in np.flatnonzero(bar > 0):
            tall = float(bar[c]) * scale
            y -= tall
            out.append(shape("rect", x=x + 0.1 * across, y=y, width=0.8 * across, height=tall, fill=COLOURS[c % len(COLOURS)]))
        if b % 4 == 0:
            out.append(shape("text", str(numbers[b]), x=x + across / 2, y=floor + 16, font_size=11, text_anchor="middle"))
    return out

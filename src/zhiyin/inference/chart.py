"""A chord chart such as "Dm | G7 C/E | C": which chord is in force in which bar, from which step on.

Bars are separated by "|"; the chords of a bar share it equally, on whole beats. "%" repeats the bar before, "N.C." is no
chord. Nothing here knows pitches of parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zhiyin.encoding.fields import BAR_COLUMN, STEPS_PER_QUARTER, chord_class
from zhiyin.errors import ControlError
from zhiyin.inference.brief import beat_quarters
from zhiyin.measures.chord_symbol import Chord, parse_chord

Chart = Sequence[Sequence[Chord | None]]  # the chords of each bar
MAX_CHORDS_PER_BAR = 8
MAX_CHART_BARS = 1000


@dataclass(frozen=True)
class Span:
    """A chord in force: from step ``begin`` of a bar (row of the bar table) to step ``end``; no chord is None."""

    bar: int
    begin: int
    end: int
    chord: Chord | None


def parse_chart(text: str) -> tuple[tuple[Chord | None, ...], ...]:
    """The chords of each bar of a chart. Raises ControlError naming the bar that cannot be read."""
    cells = [c.strip() for c in text.replace("||", "|").replace("\n", "|").strip().strip("|").split("|")]
    if cells == [""] or len(cells) > MAX_CHART_BARS:
        raise ControlError(
            "The chord chart has no bars" if cells == [""] else "The chord chart is too long",
            expected=f'1..{MAX_CHART_BARS} bars, as in "Dm | G7 C/E | C"', received=repr(text[:60]),
        )  # fmt: skip
    bars: list[tuple[Chord | None, ...]] = []
    for number, cell in enumerate(cells, 1):
        names = cell.split()
        if names == ["%"] and bars:
            bars.append(bars[-1])
            continue
        if not names or len(names) > MAX_CHORDS_PER_BAR:
            raise ControlError(
                f"Bar {number} of the chord chart cannot be used",
                expected=f"1..{MAX_CHORDS_PER_BAR} chord symbols a bar, or % for the bar before", received=repr(cell),
            )  # fmt: skip
        try:
            bars.append(tuple(parse_chord(n) for n in names))
        except ControlError as problem:
            raise ControlError(
                f"Bar {number} of the chord chart: {problem.what}", expected=problem.expected,
                received=problem.received, hint=problem.hint,
            ) from None  # fmt: skip
    return tuple(bars)


def chart_text(bars: Chart) -> str:
    """A chart as it is written."""
    return " | ".join(" ".join(c.symbol if c else "N.C." for c in bar) for bar in bars)


def lay_chart(chart: Chart, table: np.ndarray, first: int = 0) -> list[Span]:
    """The spans of a chart laid over a bar table (int (N, 13)) from row ``first`` on, again from its beginning where it ends."""
    spans: list[Span] = []
    for row in range(first, len(table)):
        chords = chart[(row - first) % len(chart)]
        length = int(table[row, BAR_COLUMN["length"]])
        begins = _begins(length, len(chords), beat_steps(table[row]), row)
        spans += [Span(row, b, e, c) for b, e, c in zip(begins, [*begins[1:], length], chords)]
    return spans


def _begins(length: int, count: int, beat: int, row: int) -> list[int]:
    """Steps at which the chords of a bar begin: an equal share each, moved to the beat before (eighths where beats are few)."""
    for unit in (beat, STEPS_PER_QUARTER // 2, STEPS_PER_QUARTER // 4):
        begins = [round(i * length / count / unit) * unit for i in range(count)]
        if len(set(begins)) == count and begins[-1] < length:
            return begins
    raise ControlError(
        f"Bar {row + 1} is too short for {count} chords", expected=f"at most {length // 6} in its {length / 24:g} quarters",
        received=f"{count} chords",
    )  # fmt: skip


def beat_steps(bar: np.ndarray) -> int:
    """Steps of the beat of a bar of a bar table, as a tempo word counts it."""
    meter = int(bar[BAR_COLUMN["numerator"]]), 2 ** max(int(bar[BAR_COLUMN["denominator"]]) - 1, 0)
    return max(round(STEPS_PER_QUARTER * beat_quarters(meter)), 1)


def chord_column(spans: Sequence[Span], column: np.ndarray) -> np.ndarray:
    """The plan's chord column with the chart in it: in each bar the chord that fills most of it, the first of equals."""
    longest: dict[int, int] = {}
    out = column.copy()
    for span in spans:
        length = span.end - span.begin
        if length > longest.get(span.bar, 0):
            longest[span.bar] = length
            out[span.bar] = chord_class(span.chord.root, span.chord.quality) if span.chord else 1
    return out

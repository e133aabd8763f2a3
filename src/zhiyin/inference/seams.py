"""Where new bars meet old ones: leaps of a part over the bar lines between them.

A leap of over an octave is too wide unless the original leapt as far there. Nothing here samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zhiyin.score import Score

OCTAVE = 12


@dataclass(frozen=True)
class Seam:
    """A leap over a bar line. bar: row of the bar after it. part: index. leap: semitones (signed). allowed: without its sign."""

    bar: int
    part: int
    leap: int
    allowed: int

    @property
    def wide(self) -> bool:
        """Whether it leaps further than is allowed."""
        return abs(self.leap) > self.allowed


def stretches(cells: np.ndarray) -> list[tuple[int, int, int]]:
    """(part, first bar, last bar) of each stretch of cells (bool (bars, parts)) of a part."""
    out = []
    for part in np.flatnonzero(cells.any(axis=0)):
        rows = np.flatnonzero(cells[:, part])
        out += [(int(part), int(s[0]), int(s[-1])) for s in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)]
    return out


def seams(before: Score, after: Score, cells: np.ndarray) -> list[Seam]:
    """The leaps of ``after`` at the seams of the cells that were written, beside those of ``before`` (drums have none)."""
    out: list[Seam] = []
    for part, first, last in stretches(cells):
        if before.parts[part].drums:
            continue
        for bar in (first, last + 1):
            leap = leap_at(after, part, bar)
            if leap is not None:
                out.append(Seam(bar, part, leap, max(OCTAVE, abs(leap_at(before, part, bar) or 0))))
    return out


def leap_at(score: Score, part: int, bar: int) -> int | None:
    """Semitones that a part leaps over the bar line before row ``bar``; None where it rests on one side of it.

    In parts that strike several notes at once it is the way between the highest notes within a quarter of the line, for
    a bass note before its chords leaps no one's ear.
    """
    if not 0 < bar < len(score.bars):
        return None
    bars, line = score.bars, int(score.bars["onset"][bar])
    notes = score.notes[(score.notes["part"] == part) & ~score.notes["grace"]]
    past = notes[(notes["onset"] >= bars["onset"][bar - 1]) & (notes["onset"] < line)]
    future = notes[(notes["onset"] >= line) & (notes["onset"] < line + bars["duration"][bar])]
    if not len(past) or not len(future):
        return None
    last, first = past["onset"].max(), future["onset"].min()
    if (np.diff(notes["onset"]) == 0).any():
        last, first = min(last, line - score.ticks_per_quarter), max(first, line + score.ticks_per_quarter - 1)
    return int(future["pitch"][future["onset"] <= first].max()) - int(past["pitch"][past["onset"] >= last].max())

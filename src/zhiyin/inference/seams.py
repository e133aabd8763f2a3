"""Where new bars meet old ones: leaps of a part over the bar lines between them.

A seam leap is the interval between the highest notes that a part strikes last before the bar line and first after it;
one over an octave counts unless the original leapt as far there. Nothing here samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zhiyin.score import Score

OCTAVE = 12
_NEAR = 1  # bars away from the seam in which a note must be struck to make a leap with it


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
    """Semitones that a part leaps over the bar line before row ``bar``; None where it rests on one side of it."""
    if not 0 < bar < len(score.bars):
        return None
    low, line = int(score.bars["onset"][max(bar - _NEAR, 0)]), int(score.bars["onset"][bar])
    high = int(score.bars["onset"][min(bar + _NEAR, len(score.bars)) - 1] + score.bars["duration"][min(bar + _NEAR, len(score.bars)) - 1])
    notes = score.notes[(score.notes["part"] == part) & ~score.notes["grace"]]
    past = notes[(notes["onset"] >= low) & (notes["onset"] < line)]
    future = notes[(notes["onset"] >= line) & (notes["onset"] < high)]
    if not len(past) or not len(future):
        return None
    return int(future["pitch"][future["onset"] == future["onset"].min()].max()) - int(past["pitch"][past["onset"] == past["onset"].max()].max())

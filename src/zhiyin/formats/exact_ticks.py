"""From exact ticks of a reader to the resolution of a Score: a multiple that keeps all times, up to a cap."""

from __future__ import annotations

import math
from dataclasses import replace

from zhiyin.score.score import Mark

MAX_TICKS_PER_QUARTER = 30_240
BASE_TICKS_PER_QUARTER = 24

Scale = tuple[int, int]  # (ticks per quarter of the score, of the reader)


def resolution(unit: int) -> tuple[int, bool]:
    """Ticks per quarter for a reader that counted ``unit`` to the quarter, and whether times are rounded to it."""
    exact = math.lcm(unit, BASE_TICKS_PER_QUARTER)
    return (exact, False) if exact <= MAX_TICKS_PER_QUARTER else (MAX_TICKS_PER_QUARTER, True)


def to_score(ticks: int, scale: Scale) -> int:
    """Ticks of the score, rounded half up."""
    to, unit = scale
    return (2 * ticks * to + unit) // (2 * unit)


def moved(mark: Mark, scale: Scale) -> Mark:
    """The mark with its times in ticks of the score."""
    if scale[0] == scale[1]:
        return mark
    return replace(mark, onset=to_score(mark.onset, scale), end=to_score(mark.end, scale) if mark.end >= 0 else -1)

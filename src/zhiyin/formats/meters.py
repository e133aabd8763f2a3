"""Meters that no note value names ("4/3"), written as notation can: by the length that their bars have, the source's meter in words."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from zhiyin.errors import FormatError
from zhiyin.score.score import Mark, Score

VALUES = (1, 2, 4, 8, 16, 32, 64, 128)  # note values that may stand below


def with_written_meters(score: Score, form: str) -> Score:
    """The score with every meter one that ``form`` ("MusicXML", "ABC") can say; the same score where all are.

    Raises FormatError for a bar of such a meter whose length is no sum of note values either.
    """
    bars = score.bars.copy()
    odd = np.flatnonzero(~np.isin(bars["meter_denominator"], VALUES) | (bars["meter_numerator"] < 1))
    if not len(odd):
        return score
    marks, before = [], None
    for i in odd.tolist():
        meter = int(bars["meter_numerator"][i]), int(bars["meter_denominator"][i])
        length = Fraction(int(bars["duration"][i]), 4 * score.ticks_per_quarter)
        if length.denominator not in VALUES or not length:
            raise FormatError(
                f"The meter of bar {bars['number'][i]} cannot be written as {form}", expected=f"a note value below the stroke ({', '.join(map(str, VALUES))})",
                received=f"{meter[0]}/{meter[1]} over a bar of {float(4 * length):.3g} quarters", hint="give the bar another meter, or write .mid, which keeps the times alone",
            )  # fmt: skip
        below = max(4, length.denominator)
        bars["meter_numerator"][i], bars["meter_denominator"][i] = length.numerator * below // length.denominator, below
        if (meter, i - 1) != before:
            marks.append(Mark(int(bars["onset"][i]), "text", f"{meter[0]}/{meter[1]} in the source", 0))
        before = meter, i
    return score.replace(bars=bars, marks=(*score.marks, *marks))

"""Splitting a score of several movements where it marks their ends. Knows nothing about files or rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from zhiyin.score.score import Score

MIN_BARS = 12
MOVEMENTS_VERSION = 2  # of the rule below: chunks made by another are made again


def split_movements(score: Score, min_bars: int = MIN_BARS) -> list[Score]:
    """The movements of a score; pieces of fewer than ``min_bars`` bars stay joined.

    A movement begins after a final bar line, and where the bar numbers begin anew under a tempo word.
    """
    starts = _movement_starts(score, min_bars)
    ends = [*starts[1:], len(score.bars)]
    made = [bar_range(score, first, last) for first, last in zip(starts, ends)]
    return [part for part in made if len(part.notes)] or [score]


def _movement_starts(score: Score, min_bars: int) -> list[int]:
    finals = [m.onset for m in score.marks if m.kind == "barline" and m.value == "final"]
    words = [m.onset for m in score.marks if m.kind == "tempo" and not m.value.startswith("=")]
    number = score.bars["number"]
    anew = np.r_[False, (number[1:] <= number[:-1]) & (number[1:] <= 1)] & np.isin(score.bars["onset"], words)
    starts = [0]
    for bar in np.flatnonzero(np.isin(score.bars["onset"], finals) | anew):
        if bar - starts[-1] >= min_bars and len(score.bars) - bar >= min_bars:
            starts.append(int(bar))
    return starts


def bar_range(score: Score, first: int, last: int) -> Score:
    """The bars ``first`` (row) up to but not including ``last`` as a score of their own, numbered from their start."""
    bars = score.bars[first:last].copy()
    begin, end = int(bars["onset"][0]), int(bars["onset"][-1] + bars["duration"][-1])
    notes = score.notes[(score.notes["onset"] >= begin) & (score.notes["onset"] < end)].copy()
    notes["onset"] -= begin
    bars["onset"] -= begin
    short = bars["duration"][0] < _nominal(bars[0], score.ticks_per_quarter)
    bars["number"] = np.arange(len(bars)) + (0 if short and len(bars) > 1 else 1)
    if bars["tempo_qpm"][0] <= 0:
        table = score.tempo_map()
        bars["tempo_qpm"][0] = table[np.searchsorted(table[:, 0], begin, side="right") - 1, 1]
    marks = tuple(
        replace(m, onset=m.onset - begin, end=min(m.end, end) - begin if m.end >= 0 else -1)
        for m in score.marks
        if (begin < m.onset <= end if m.kind == "barline" else begin <= m.onset < end)
    )
    return score.replace(notes=notes, bars=bars, marks=marks)


def _nominal(bar: np.void, ticks_per_quarter: int) -> float:
    return 4 * ticks_per_quarter * int(bar["meter_numerator"]) / max(1, int(bar["meter_denominator"]))

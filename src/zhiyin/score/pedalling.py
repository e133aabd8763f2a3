"""The sustaining pedal by harmony: where a pianist would hold it, from the notes alone.

Beat by beat the pedal stays down while the bass keeps its pitch class and nothing blurs: no two pitches a second
apart in the low and middle register, no semitone at all. It is changed after the new harmony has begun ("legato
pedal"). Knows notes and bars; adds marks.
"""

from __future__ import annotations

import numpy as np

from zhiyin.score.score import Mark, Score

PIANOS = range(6)  # programs with a sustaining pedal; harpsichord and clavinet have none
_MIDDLE = 72  # below this pitch seconds blur


def pedal_marks(score: Score, *, delay: int, longest_bars: int = 1) -> tuple[Mark, ...]:
    """Pedal marks for all piano parts that have none, down ``delay`` ticks after a harmony begins, up at the next."""
    marked = {m.part for m in score.marks if m.kind == "pedal"}
    parts = [i for i, p in enumerate(score.parts) if p.program in PIANOS and not p.drums and not marked & {i, -1}]
    notes = score.notes[np.isin(score.notes["part"], parts)]
    if not len(notes):
        return ()
    spans = _merged(_beats(score, longest_bars), notes)
    return tuple(
        Mark(begin + delay, "pedal", "", part, end=end)
        for begin, end in spans
        if end - begin > 2 * delay
        for part in parts
    )


def _beats(score: Score, longest_bars: int) -> list[tuple[int, int, int]]:
    """(onset, end, group) of every beat; the pedal may stay down within a group of bars only."""
    out = []
    for i, bar in enumerate(score.bars):
        compound = bar["meter_denominator"] >= 8 and bar["meter_numerator"] % 3 == 0
        step = 4 * score.ticks_per_quarter // int(bar["meter_denominator"]) * (3 if compound else 1)
        onset, end = int(bar["onset"]), int(bar["onset"] + bar["duration"])
        for at in range(onset, end, max(step, 1)):
            out.append((at, min(at + step, end), i // longest_bars))
    return out


def _merged(beats: list[tuple[int, int, int]], notes: np.ndarray) -> list[tuple[int, int]]:
    """Spans (onset, end) with the pedal down."""
    spans: list[tuple[int, int]] = []
    held: set[int] = set()
    begin, end, group, bass = -1, -1, -1, -1
    first = np.searchsorted(notes["onset"], [b[0] for b in beats])
    last = np.searchsorted(notes["onset"], [b[1] for b in beats])
    for (onset, until, its_group), a, b in zip(beats, first, last, strict=True):
        pitches = set(notes["pitch"][a:b].tolist())
        its_bass = min(pitches, default=bass + 128)
        same = its_group == group and begin >= 0 and (its_bass % 12 == bass % 12 or its_bass > bass + 4)
        if same and not _blurs(held | pitches):
            held |= pitches
            end = until
            continue
        if begin >= 0:
            spans.append((begin, end))
        alone = not pitches or _blurs(pitches)
        held, begin, end, group, bass = pitches, -1 if alone else onset, until, its_group, its_bass
    return [*spans, (begin, end)] if begin >= 0 else spans


def _blurs(pitches: set[int]) -> bool:
    return any(p + 1 in pitches or (p < _MIDDLE and p + 2 in pitches) for p in pitches)

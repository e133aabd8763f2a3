"""Articulations and slurs for new notes, as dense as those of the same part in the bars around them.

How often a note of some length carries a sign, and which share of a part's notes lies under slurs, is read off the
neighbouring bars; new notes get as many, the shares carried over from note to note so that they come out even. The same
notes get the same signs. Words, ornaments and dynamics are not invented.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from zhiyin.score import Mark, Score

AROUND = 8  # bars on either side that are looked at
_LEAST = 8  # struck notes that must be there to learn from


def dress(score: Score, cells: np.ndarray, fresh: np.ndarray) -> tuple[Mark, ...]:
    """Marks for the new notes of a score (``fresh``, bool (notes,)) in the cells that were written (bool (bars, parts))."""
    out: list[Mark] = []
    if score.timing != "notated":
        return ()
    rows = np.flatnonzero(cells.any(axis=1))
    near = np.zeros(len(score.bars), dtype=bool)
    near[max(int(rows[0]) - AROUND, 0) : int(rows[-1]) + AROUND + 1] = True
    for part in np.flatnonzero(cells.any(axis=0)):
        if score.parts[part].drums:
            continue
        mine = (score.notes["part"] == part) & ~score.notes["grace"]
        bar = score.bar_of(score.notes["onset"])
        model = _struck(score, mine & near[bar] & ~cells[bar, part])
        new = _struck(score, mine & fresh)
        if len(model) >= _LEAST and len(new):
            marks = [m for m in score.marks if m.part == part]
            out += _articulated(int(part), marks, model, new)
            out += _slurred(int(part), marks, model, new, score)
    return tuple(out)


def _struck(score: Score, mask: np.ndarray) -> list[tuple[int, int]]:
    """(onset, end) of the notes of a mask, one for each onset, the longest."""
    notes = score.notes[mask]
    ends: dict[int, int] = {}
    for onset, duration in notes[["onset", "duration"]].tolist():
        ends[onset] = max(ends.get(onset, 0), onset + duration)
    return sorted(ends.items())


def _articulated(part: int, marks: list[Mark], model: list[tuple[int, int]], new: list[tuple[int, int]]) -> list[Mark]:
    """Articulations on new notes, by how often notes of about their length carry them."""
    signs: dict[int, set[str]] = defaultdict(set)
    for mark in marks:
        if mark.kind == "articulation":
            signs[mark.onset].add(mark.value)
    total: Counter[int] = Counter()
    found: Counter[tuple[int, str]] = Counter()
    for onset, end in model:
        total[_length(onset, end)] += 1
        found.update((_length(onset, end), value) for value in signs.get(onset, ()))
    owed: dict[str, float] = defaultdict(float)
    out = []
    for onset, end in new:
        length = _length(onset, end)
        for value in sorted({v for n, v in found if n == length}):
            owed[value] += found[length, value] / total[length]
            if owed[value] >= 0.75:
                owed[value] -= 1
                out.append(Mark(onset, "articulation", value, part))
    return out


def _length(onset: int, end: int) -> int:
    """Lengths that are alike to within a half of themselves, as one number."""
    return int(np.log2(max(end - onset, 1)) * 2 + 0.5)


def _slurred(
    part: int, marks: list[Mark], model: list[tuple[int, int]], new: list[tuple[int, int]], score: Score
) -> list[Mark]:
    """Slurs over new notes: the share of notes that is under slurs nearby, in slurs as long as the middle one there."""
    slurs = [m for m in marks if m.kind == "slur" and m.end > m.onset]
    covered = [any(m.onset <= onset <= m.end for m in slurs) for onset, _ in model]
    first, last = model[0][0], model[-1][0]
    lengths = [m.end - m.onset for m in slurs if first <= m.onset <= last]
    share = float(np.mean(covered))
    if not lengths or share < 0.1:
        return []
    length = float(np.median(lengths))
    free = [(o, e) for o, e in new if not any(m.onset <= o <= m.end for m in slurs)]
    out: list[Mark] = []
    under, at = 0.0, 0
    while at < len(free):
        stop = at
        while stop + 1 < len(free) and free[stop + 1][0] <= free[stop][1] and free[stop + 1][0] - free[at][0] <= length:
            stop += 1
        if stop > at and under + (stop - at + 1) * 0.5 <= share * (stop + 1):
            out.append(Mark(free[at][0], "slur", "", part, end=free[stop][0]))
            under += stop - at + 1
            at = stop + 1
        else:
            at += 1
    return out

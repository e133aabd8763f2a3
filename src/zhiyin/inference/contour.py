"""The contour of lines as a constraint while pitches are sampled: up, down or on from note to note, as it was.

For each note that goes the neighbours in its line are known; those that stay bound it, and a pass from the end backwards
finds how much room the notes after it need. Nothing here samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zhiyin.encoding.rows import PART, PITCH
from zhiyin.inference.opened import Opened


class Contour:
    """The ``lead`` of a request: narrows the pitches of place i to those that keep the contour (all of them if none does)."""

    def __init__(self, opened: Opened, old: np.ndarray, room: Sequence[np.ndarray], shift: int) -> None:
        """old: int64 (P, 6), the rows that go, in the order of the places. room: bool (128,) for each."""
        lines = _lines(opened)
        self._where = {tuple(row): i for i, row in enumerate(old[:, :4].tolist())}
        self._line = [lines[r[PART]] for r in old.tolist()]
        self._at = [line.index(tuple(r)) for line, r in zip(self._line, old[:, :4].tolist())]
        self._low, self._high = np.zeros(len(old), dtype=int), np.full(len(old), 127)
        for i in reversed(range(len(old))):
            allowed = np.flatnonzero(room[i])
            self._low[i], self._high[i] = (allowed[0], allowed[-1]) if len(allowed) else (old[i, PITCH], old[i, PITCH])
            self._leave_room(i, old)
        self._old = old

    def _leave_room(self, i: int, old: np.ndarray) -> None:
        """Bounds of place i from the note after it in its line."""
        line, at = self._line[i], self._at[i]
        if at + 1 == len(line):
            return
        following = line[at + 1]
        step = following[PITCH] - int(old[i, PITCH])
        k = self._where.get(following)
        low, high = (following[PITCH],) * 2 if k is None else (int(self._low[k]), int(self._high[k]))
        if step > 0:
            high -= 1
            low = 0
        elif step < 0:
            low += 1
            high = 127
        self._low[i], self._high[i] = max(self._low[i], low), min(self._high[i], high)

    def __call__(self, place: int, rows: list[list[int]], pitches: np.ndarray) -> np.ndarray:
        """The pitches (bool (128,)) that are left of those offered. rows: what has been written so far, one for each place."""
        pitch = np.arange(128)
        mask = pitches & (pitch >= self._low[place]) & (pitch <= self._high[place])
        line, at = self._line[place], self._at[place]
        if at:
            before = line[at - 1]
            step = int(self._old[place, PITCH]) - before[PITCH]
            k = self._where.get(before)
            now = before[PITCH] if k is None or k >= len(rows) else rows[k][PITCH]
            mask &= (pitch > now) if step > 0 else (pitch < now) if step < 0 else (pitch == now)
        if mask.any():
            return mask
        one = np.zeros(128, dtype=bool)
        one[int(self._old[place, PITCH])] = True
        return one


def _lines(opened: Opened) -> dict[int, list[tuple[int, int, int, int]]]:
    """The line of each part: the highest row of each place, in order, as (bar, position, part, pitch)."""
    lines: dict[int, list[tuple[int, int, int, int]]] = {}
    for row in opened.piece.rows[:, :4].astype(int).tolist():
        line = lines.setdefault(row[PART], [])
        if line and line[-1][: PART + 1] == tuple(row[: PART + 1]):
            line[-1] = tuple(row)
        else:
            line.append(tuple(row))
    return lines

"""What followed before: for each step of a piece, the frames that came after the longest earlier match of what has just sounded.

Four places to look, all of them known before the step is heard, so that a likelihood that uses them stays exact:

    0  the piece so far, matching whole frames          2  the training pieces (never the piece itself), matching whole frames
    1  the piece so far, matching the top voice         3  the training pieces, matching the top voice's intervals; moved to this pitch

A match counts up to its last ``LENGTHS[-1]`` frames. Where several matches are longest, what followed is averaged over (at most) ``MOST`` of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16)  # frames; the classes of a match's length are 0 (none) and 1 … 8
PLACES = 4
MOST = 24

Gram = tuple[int, ...]
Spots = dict[Gram, list[tuple[int, int]]]


class Recall:
    """Remembers training pieces and looks things up in them and in the piece at hand."""

    def __init__(self, training: Sequence[np.ndarray]) -> None:
        self.training = training
        self.ids: dict[bytes, int] = {}
        self.whole: Spots = defaultdict(list)
        self.tune: Spots = defaultdict(list)
        for piece, table in enumerate(training):
            self._learn(self.whole, self._names(table), piece)
            self._learn(self.tune, _steps(_tops(table)), piece)

    def look(self, table: np.ndarray, own: int = -1) -> tuple[np.ndarray, np.ndarray]:
        """(T, K) -> share of each key in what followed uint8 (T, 4, K), 255 = always, and classes of length int64 (T, 4).

        ``own``: the piece's index where it is a training piece itself.
        """
        names, tops = self._names(table), _tops(table)
        steps = _steps(tops)
        shares, lengths = np.zeros((len(table), PLACES, table.shape[1]), np.uint8), np.zeros((len(table), PLACES), np.int64)
        here: tuple[Spots, Spots] = (defaultdict(list), defaultdict(list))
        for t in range(1, len(table)):
            for place, (spots, line) in enumerate(((here[0], names), (here[1], tops.tolist()), (self.whole, names), (self.tune, steps))):
                lengths[t, place], found = _longest(spots, line, t, own if place > 1 else None)
                if found:
                    shares[t, place] = self._followed(found, table, place, tops[t - 1])
            for spots, line in ((here[0], names), (here[1], tops.tolist())):
                _add(spots, line, t, 0)
        return shares, lengths

    def _followed(self, found: list[tuple[int, int]], table: np.ndarray, place: int, top: int) -> np.ndarray:
        if place < 2:
            after = [table[t] for _, t in found]
        elif place == 2:
            after = [self.training[p][t] for p, t in found]
        else:
            after = [_moved(self.training[p][t], top - int(_tops(self.training[p][t - 1 : t])[0])) for p, t in found]
        return (255 * np.mean(after, 0)).astype(np.uint8)

    def _names(self, table: np.ndarray) -> list[int]:
        """A number for each frame, the same for the same frame."""
        return [self.ids.setdefault(frame.tobytes(), len(self.ids)) for frame in table]

    @staticmethod
    def _learn(spots: Spots, line: list[int], piece: int) -> None:
        for t in range(1, len(line)):
            _add(spots, line, t, piece)


def _add(spots: Spots, line: list[int], t: int, piece: int) -> None:
    """Remembers that step t of a piece followed the grams that end just before it."""
    for length in LENGTHS:
        if length > t:
            return
        spots[tuple(line[t - length : t])].append((piece, t))


def _longest(spots: Spots, line: list[int], t: int, own: int | None) -> tuple[int, list[tuple[int, int]]]:
    """Class of the longest match before step t, and where it was followed; the newest ``MOST`` places."""
    best: tuple[int, list[tuple[int, int]]] = (0, [])
    for klass, length in enumerate(LENGTHS, 1):
        if length > t:
            break
        found = [s for s in spots.get(tuple(line[t - length : t]), ())[-8 * MOST :] if s[0] != own][-MOST:]
        if not found:
            break
        best = (klass, found)
    return best


def _tops(table: np.ndarray) -> np.ndarray:
    """The highest key of each frame, -1 where none sounds."""
    return np.where(table.any(1), table.shape[1] - 1 - table[:, ::-1].argmax(1), -1)


def _steps(tops: np.ndarray) -> list[int]:
    """The tune as intervals; a rest stands as 1,000 below or above."""
    filled = np.where(tops < 0, -1000, tops)
    return np.diff(filled, prepend=filled[:1] - 2000).tolist()


def _moved(frame: np.ndarray, by: int) -> np.ndarray:
    """A frame some keys higher (or lower); what leaves the keyboard is dropped."""
    if not by or abs(by) >= len(frame):
        return frame
    out = np.zeros_like(frame)
    if by > 0:
        out[by:] = frame[:-by]
    else:
        out[:by] = frame[-by:]
    return out

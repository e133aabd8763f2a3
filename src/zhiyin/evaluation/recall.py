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
Spots = dict[Gram, list[int]]  # what has sounded -> the frames that followed, by their place in a flat table


class Recall:
    """Remembers training pieces and looks things up in them and in the piece at hand."""

    def __init__(self, training: Sequence[np.ndarray]) -> None:
        self.starts = np.cumsum([0, *map(len, training)])
        self.flat = np.concatenate(training) if len(training) else np.zeros((0, 0), np.uint8)
        self.tops = _tops(self.flat)
        self.ids: dict[bytes, int] = {}
        self.whole: Spots = defaultdict(list)
        self.tune: Spots = defaultdict(list)
        for start, table in zip(self.starts, training):
            names, steps = self._names(table), _steps(_tops(table))
            for t in range(1, len(table)):
                _add(self.whole, names, t, int(start) + t)
                _add(self.tune, steps, t, int(start) + t)

    def look(self, table: np.ndarray, own: int = -1) -> tuple[np.ndarray, np.ndarray]:
        """(T, K) -> share of each key in what followed uint8 (T, 4, K), 255 = always, and classes of length int64 (T, 4).

        ``own``: the piece's index where it is a training piece itself.
        """
        names, tops = self._names(table), _tops(table)
        shares, lengths = np.zeros((len(table), PLACES, table.shape[1]), np.uint8), np.zeros((len(table), PLACES), np.int64)
        hidden = range(int(self.starts[own]), int(self.starts[own + 1])) if own >= 0 else range(0)
        for place, (spots, line) in enumerate(((None, names), (None, tops.tolist()), (self.whole, names), (self.tune, _steps(tops)))):
            found = _matches(spots, line, hidden if spots is not None else range(0))
            lengths[:, place] = [klass for klass, _ in found]
            counts = np.array([len(at) for _, at in found])
            if counts.sum():
                at = np.concatenate([np.array(at, np.int64) for _, at in found if at])
                moved = np.repeat(np.r_[-1, tops[:-1]], counts) - self.tops[at - 1] if place == 3 else None
                source = table if spots is None else self.flat
                shares[counts > 0, place] = _mean(source, at, moved, counts[counts > 0])
        return shares, lengths

    def _names(self, table: np.ndarray) -> list[int]:
        """A number for each frame, the same for the same frame."""
        return [self.ids.setdefault(frame.tobytes(), len(self.ids)) for frame in table]


def _add(spots: Spots, line: list[int], t: int, place: int) -> None:
    """Remembers that the frame at ``place`` followed the grams of a line that end just before t."""
    for length in LENGTHS:
        if length > t:
            return
        spots[tuple(line[t - length : t])].append(place)


def _matches(spots: Spots | None, line: list[int], hidden: range) -> list[tuple[int, list[int]]]:
    """For every step of a line the class of the longest match before it, and the newest ``MOST`` places where it was followed.

    Without ``spots`` the line itself is remembered as it goes.
    """
    here: Spots = defaultdict(list) if spots is None else spots
    found: list[tuple[int, list[int]]] = []
    for t in range(len(line)):
        best: tuple[int, list[int]] = (0, [])
        for klass, length in enumerate(LENGTHS, 1):
            known = here.get(tuple(line[t - length : t])) if length <= t else None
            places = [p for p in known[-8 * MOST :] if p not in hidden][-MOST:] if known else []
            if not places:
                break
            best = (klass, places)
        found.append(best)
        if spots is None:
            _add(here, line, t, t)
    return found


def _mean(source: np.ndarray, at: np.ndarray, moved: np.ndarray | None, counts: np.ndarray) -> np.ndarray:
    """Means of runs of ``counts`` rows of source[at], as 0 … 255; each row first moved by some keys, what leaves the keyboard dropped."""
    rows = source[at].astype(np.uint16)
    if moved is not None:
        key = np.arange(source.shape[1]) - moved[:, None]
        rows = np.where((key >= 0) & (key < source.shape[1]), np.take_along_axis(rows, key % source.shape[1], 1), 0)
    sums = np.add.reduceat(rows, np.r_[0, np.cumsum(counts)[:-1]])
    return (255 * sums / counts[:, None]).astype(np.uint8)


def _tops(table: np.ndarray) -> np.ndarray:
    """The highest key of each frame, -1 where none sounds."""
    return np.where(table.any(1), table.shape[1] - 1 - table[:, ::-1].argmax(1), -1) if table.size else np.zeros(0, np.int64)


def _steps(tops: np.ndarray) -> list[int]:
    """The tune as intervals; a rest stands as 1,000 below or above."""
    filled = np.where(tops < 0, -1000, tops)
    return np.diff(filled, prepend=filled[:1] - 2000).tolist()

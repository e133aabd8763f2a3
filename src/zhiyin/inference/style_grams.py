"""Short figures of a piece as one hashed profile: which pitches, chords, intervals and paces follow each other, how long and how loud.

Figures are counted at the pitch, pace and loudness that they are played at, so they tell players and recordings apart as well as composers: a
classifier hears them only where its recipe says ``hear = "grams"``. Every kind of figure is a distribution; the profile is the square root of
their sum (Hellinger), so that a product of two profiles counts what they share. Hashing into few places: Weinberger et al. 2009.
"""

from __future__ import annotations

import numpy as np

from zhiyin.score import Score

SIZE = 8192
TOGETHER = 0.035  # seconds within which notes are struck together
_ODD = np.uint64(0x9E3779B97F4A7C15)


def grams(score: Score) -> np.ndarray:
    """The profile of the pitched notes, float32 (SIZE,); zeros where there are none."""
    notes = score.notes[~score.drums[score.notes["part"]]]
    found = np.zeros(SIZE)
    if not len(notes):
        return found.astype(np.float32)
    begin = score.seconds(notes["onset"])
    order = np.lexsort((notes["pitch"], begin))
    notes, begin = notes[order], begin[order]
    length = _steps(score.seconds(notes["onset"] + notes["duration"]) - begin, 0.020, 1.5)
    pitch, loud = notes["pitch"].astype(np.int64), notes["velocity"].astype(np.int64) // 10
    kinds = [(pitch,), (pitch % 12,), (length,), (loud,), (pitch // 6, length), (pitch // 6, loud)]
    for number, columns in enumerate(kinds + _sequences(pitch, begin)):
        if len(columns[0]):
            found += np.bincount(_place(number, columns), minlength=SIZE) / len(columns[0])
    return np.sqrt(found).astype(np.float32)


def _sequences(pitch: np.ndarray, begin: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """Figures over what is struck one after the other: paces, chords, upper and lower line."""
    starts = np.flatnonzero(np.diff(begin, prepend=-1.0) > TOGETHER)
    pace = _steps(np.diff(begin[starts]), 0.030, 2.0)
    low, top = np.minimum.reduceat(pitch, starts), np.maximum.reduceat(pitch, starts)
    owner = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(pitch)))
    chord = np.bitwise_or.reduceat(np.int64(1) << np.minimum(pitch - low[owner], 62), starts)
    classes = np.bitwise_or.reduceat(np.int64(1) << (pitch % 12), starts)
    count, up, down = np.diff(starts, append=len(pitch)), np.diff(top), np.diff(low)
    return [
        (pace,), (pace[:-1], pace[1:]), (pace[:-2], pace[1:-1], pace[2:]), (chord,), (classes,), (up,), (up[:-1], up[1:]),
        (up[:-2], up[1:-1], up[2:]), (down[:-1], down[1:]), (down[:-2], down[1:-1], down[2:]), (up, pace), (chord[:-1], chord[1:]),
        (count,), (count[:-1], count[1:]), (top[:-1], top[1:]), (low[:-1], low[1:]),
    ]  # fmt: skip


def _steps(seconds: np.ndarray, least: float, per_octave: float) -> np.ndarray:
    """Lengths of time as steps on a logarithmic scale."""
    return np.round(per_octave * np.log2(np.maximum(seconds, least) / least)).astype(np.int64)


def _place(kind: int, columns: tuple[np.ndarray, ...]) -> np.ndarray:
    """Where each figure is counted, 0..SIZE - 1."""
    mixed = np.full(len(columns[0]), kind + 1, dtype=np.uint64)
    for column in columns:
        mixed = (mixed ^ (column + 1024).astype(np.uint64)) * _ODD
        mixed ^= mixed >> np.uint64(29)
    return (mixed % np.uint64(SIZE)).astype(np.int64)

"""Which hand plays which note: staves for keyboard parts.

A small convolution network over the notes of the part (``score.note_network``), fitted on piano parts of songs by
``tools/fit_staves.py``, says how likely each note stands on the top staff. Then each chord is cut in two where these
odds say so, so that the hands do not cross within it. Knows nothing about files or notation.
"""

from __future__ import annotations

import numpy as np

from zhiyin.score.note_network import shipped
from zhiyin.score.score import Score

RINGS = (1.0, 4.0, 16.0)  # quarters before and after a note
_BIN, _BINS, _LOWEST = 4, 19, 26  # semitones a register bin, bins, pitch at the foot of the lowest bin
_STEP_REACH = 12  # semitones
_STEPS = 2 * _STEP_REACH + 2
_CHORD = 3  # chord notes looked at to either side
_OWN = 10
STAVES_FEATURES = _OWN + 44 + 4 * _CHORD + (2 * len(RINGS) + 2) * _BINS + 2 * _STEPS


def split_staves(score: Score, part: int) -> np.ndarray:
    """Staff (1 top, 2 bottom) of each note of ``part``, shape (notes of the part,), in the score's order."""
    notes = score.notes[score.notes["part"] == part]
    if not len(notes):
        return np.zeros(0, dtype=np.uint8)
    bottom, top = shipped("staves")(staves_features(notes, score.ticks_per_quarter)).T
    return hands(notes, top - bottom)


def hands(notes: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Staves from the log-odds ``top`` (notes,) of the top staff: the likeliest cut of each chord that leaves no hands crossed.

    The lowest k notes of a chord go to the left hand where the sum of their log-odds is least (k = 0 sums to nothing).
    """
    first = _firsts(notes["onset"])
    chord = np.cumsum(np.r_[0, np.diff(notes["onset"]) != 0])
    total = np.cumsum(top.astype(np.float64))
    below = total - (total[first] - top[first])[chord]
    least = np.minimum(np.minimum.reduceat(below, first), 0)
    rows = np.arange(len(notes))
    cut = np.maximum.reduceat(np.where((below <= least[chord]) & (below < 0), rows, -1), first)
    return np.where(rows <= cut[chord], 2, 1).astype(np.uint8)


def _firsts(onset: np.ndarray) -> np.ndarray:
    """Row of the first note of each onset."""
    return np.flatnonzero(np.r_[True, onset[1:] != onset[:-1]])


def staves_features(notes: np.ndarray, ticks_per_quarter: int) -> np.ndarray:
    """What the network sees of each note of one part, float32 of shape (notes, STAVES_FEATURES)."""
    onset, pitch = notes["onset"].astype(np.int64), notes["pitch"].astype(int)
    first = np.searchsorted(onset, onset, side="left")
    after = np.searchsorted(onset, onset, side="right")
    register = np.eye(44, dtype=np.float32)[np.clip((pitch - 21) // 2, 0, 43)]
    columns = [_own(notes, first, after, ticks_per_quarter), register, _chord(pitch, first, after)]
    columns += _registers(onset, pitch, ticks_per_quarter)
    columns += _steps(pitch, first)
    return np.concatenate(columns, axis=1, dtype=np.float32)


def _own(notes: np.ndarray, first: np.ndarray, after: np.ndarray, ticks_per_quarter: int) -> np.ndarray:
    """Height, length, place and span of its chord, quarters (log) since the last onset and to the next, held notes, (notes, 10)."""
    onset, pitch, rows = notes["onset"].astype(np.int64), notes["pitch"].astype(int), np.arange(len(notes))
    last = onset[np.maximum(first - 1, 0)]
    following = onset[np.minimum(after, len(onset) - 1)]

    def log(ticks: np.ndarray) -> np.ndarray:
        return np.log2(1 + 4 * ticks / ticks_per_quarter) / 3

    columns = [
        (pitch - 60) / 24, log(notes["duration"].astype(float)), notes["grace"], np.minimum(rows - first, 8) / 4,
        np.minimum(after - 1 - rows, 8) / 4, (pitch[after - 1] - pitch[first]) / 24, log(onset - last),
        log(following - onset), _held(notes, first, -1), _held(notes, first, 1),
    ]  # fmt: skip
    return np.stack([np.asarray(c, dtype=np.float32) for c in columns], axis=1)


def _held(notes: np.ndarray, first: np.ndarray, way: int) -> np.ndarray:
    """Nearness (1 same pitch … 0 two octaves and more, or none) of a note still held from before, below (-1) or above (1)."""
    onset, pitch = notes["onset"].astype(np.int64), notes["pitch"].astype(int)
    end = onset + notes["duration"]
    nearest = np.full(len(pitch), 24.0)
    for back in range(1, 13):
        at = np.maximum(first - back, 0)
        apart = (pitch[at] - pitch) * way
        sounding = (first >= back) & (end[at] > onset) & (apart >= 0)
        nearest = np.where(sounding, np.minimum(nearest, apart), nearest)
    return 1 - nearest / 24


def _chord(pitch: np.ndarray, first: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Octaves to the next chord notes below and above, and whether they are there, (notes, 4 x _CHORD)."""
    rows, out = np.arange(len(pitch)), []
    for way in (-1, 1):
        for k in range(1, _CHORD + 1):
            at = rows + way * k
            there = (at >= first) & (at < after)
            apart = np.abs(pitch[np.clip(at, 0, len(pitch) - 1)] - pitch) / 12
            out += [np.where(there, np.minimum(apart, 3), 3).astype(np.float32), there.astype(np.float32)]
    return np.stack(out, axis=1)


def _registers(onset: np.ndarray, pitch: np.ndarray, ticks_per_quarter: int) -> list[np.ndarray]:
    """How often each register sounds: in the chord, in rings of time before and after it, in the part, (notes, 19) each."""
    place = np.clip((pitch - _LOWEST) // _BIN, 0, _BINS - 1)
    total = np.zeros((len(onset) + 1, _BINS), dtype=np.float32)
    total[np.arange(1, len(onset) + 1), place] = 1
    np.cumsum(total, axis=0, out=total)

    def share(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        part = total[high] - total[low]
        return 4 * part / np.maximum(part.sum(axis=1, keepdims=True), 4)

    before, after = [], []
    for ring in (0.0, *RINGS):
        reach = round(ring * ticks_per_quarter)
        before.append(np.searchsorted(onset, onset - reach, side="left"))
        after.append(np.searchsorted(onset, onset + reach, side="right"))
    out = [share(far, near) for near, far in zip(before, before[1:], strict=False)]
    out += [share(near, far) for near, far in zip(after, after[1:], strict=False)]
    out.append(np.minimum(total[after[0]] - total[before[0]], 3))
    out.append(np.broadcast_to(4 * total[-1] / len(onset), (len(onset), _BINS)))
    return out


def _steps(pitch: np.ndarray, first: np.ndarray) -> list[np.ndarray]:
    """One-hot interval (± an octave, or none) to the nearest note of the next and of the previous chord, (notes, 26) each."""
    group = np.cumsum(np.r_[True, first[1:] != first[:-1]]) - 1
    out = []
    for step in (1, -1):
        target = group + step
        place = np.searchsorted(group * 256 + pitch, target * 256 + pitch)
        best = np.full(len(pitch), 99)
        for candidate in (place, place - 1):
            at = np.clip(candidate, 0, len(pitch) - 1)
            apart = np.where(group[at] == target, pitch[at] - pitch, 99)
            best = np.where(np.abs(apart) < np.abs(best), apart, best)
        column = np.where(best == 99, _STEPS - 1, np.clip(best, -_STEP_REACH, _STEP_REACH) + _STEP_REACH)
        hot = np.zeros((len(pitch), _STEPS), dtype=np.float32)
        hot[np.arange(len(pitch)), column] = 1
        out.append(hot)
    return out

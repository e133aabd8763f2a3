"""What the spelling network sees of each note: pitch classes around it, steps to its neighbours, the key, its place.

Pitch classes are counted as fifths above the tonic (major) of the key signature in force at the note, so that a
transposed piece looks the same. Knows nothing about weights.
"""

from __future__ import annotations

import numpy as np

from zhiyin.score.score import Score

RINGS = (0.0, 1.0, 4.0, 16.0, 64.0)  # quarters before a note and after it
_NEAR = 0.25  # quarters to either side
_STEP_REACH = 12  # semitones
_STEPS = 2 * _STEP_REACH + 1
_SIGNATURES = 15
_HISTOGRAMS = 2 * (len(RINGS) - 1) + 2
SPELLING_FEATURES = 12 * (1 + _HISTOGRAMS) + 2 * _STEPS + _SIGNATURES + 1 + 2 + 7


def spelling_features(score: Score, key: np.ndarray, given: np.ndarray) -> np.ndarray:
    """float32 of shape (notes, SPELLING_FEATURES). ``key`` (fifths) and ``given`` (known, not assumed) of shape (notes,)."""
    notes = score.notes
    fifths = notes["pitch"].astype(int) * 7 % 12
    place = (np.arange(12)[None, :] + key[:, None]) % 12
    onset = notes["onset"].astype(np.int64)
    around = [np.take_along_axis(h, place, axis=1) for h in _histograms(onset, fifths, score.ticks_per_quarter)]
    own = np.eye(12, dtype=np.float32)[(fifths - key) % 12]
    signature = np.eye(_SIGNATURES, dtype=np.float32)[np.clip(key, -7, 7) + 7]
    columns = [own, *around, *_steps(notes), signature, given[:, None], _key_changes(onset, key), _place(score)]
    return np.concatenate(columns, axis=1, dtype=np.float32)


def _histograms(onset: np.ndarray, fifths: np.ndarray, ticks_per_quarter: int) -> list[np.ndarray]:
    """Shares of the twelve pitch classes near the note, in each ring before and after it, and in the piece, (notes, 12) each."""
    total = np.zeros((len(onset) + 1, 12), dtype=np.float32)
    total[np.arange(1, len(onset) + 1), fifths] = 1
    np.cumsum(total, axis=0, out=total)

    def share(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        part = total[high] - total[low]
        return part / np.maximum(part.sum(axis=1, keepdims=True), 1)

    def low(quarters: float) -> np.ndarray:
        return np.searchsorted(onset, onset - int(quarters * ticks_per_quarter), side="left")

    def high(quarters: float) -> np.ndarray:
        return np.searchsorted(onset, onset + int(quarters * ticks_per_quarter), side="right")

    before, after = [low(r) for r in RINGS], [high(r) for r in RINGS]
    out = [share(far, near) for near, far in zip(before, before[1:], strict=False)]
    out += [share(near, far) for near, far in zip(after, after[1:], strict=False)]
    out.append(share(low(_NEAR), high(_NEAR)))
    out.append(np.broadcast_to(total[-1] / max(len(onset), 1), (len(onset), 12)))
    return out


def _steps(notes: np.ndarray) -> list[np.ndarray]:
    """One-hot semitones to the nearest note at the next and at the previous onset of the part, (notes, 25) each."""
    pitch = notes["pitch"].astype(int)
    out = []
    for near in neighbours(notes):
        there = np.flatnonzero(near >= 0)
        step = np.clip(pitch[near[there]] - pitch[there], -_STEP_REACH, _STEP_REACH)
        hot = np.zeros((len(notes), _STEPS), dtype=np.float32)
        hot[there, _STEP_REACH + step] = 1
        out.append(hot)
    return out


def _key_changes(onset: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Fifths (per octave of fifths) from the signature to the next and to the last other one, (notes, 2)."""
    out = np.zeros((len(onset), 2), dtype=np.float32)
    changes = np.flatnonzero(np.diff(key)) + 1
    if len(changes):
        at = np.searchsorted(changes, np.arange(len(key)), side="right")
        later, earlier = at < len(changes), at > 0
        out[later, 0] = (key[changes[at[later]]] - key[later]) / 12
        out[earlier, 1] = (key[changes[at[earlier] - 1] - 1] - key[earlier]) / 12
    return out


def _place(score: Score) -> np.ndarray:
    """Height, length, outermost in its chord or not, quarters (log) since the last and to the next onset, grace, (notes, 7)."""
    notes, quarter = score.notes, score.ticks_per_quarter
    onset, pitch = notes["onset"].astype(np.int64), notes["pitch"].astype(int)
    opens = np.flatnonzero(np.r_[True, onset[1:] != onset[:-1]])
    chord = np.cumsum(np.r_[0, onset[1:] != onset[:-1]])
    gap = np.r_[0, np.diff(onset[opens]), 0]
    lowest, highest = np.minimum.reduceat(pitch, opens), np.maximum.reduceat(pitch, opens)

    def log(ticks: np.ndarray) -> np.ndarray:
        return np.log2(1 + ticks * 4 / quarter) / 3

    columns = [(pitch - 60) / 24, log(notes["duration"].astype(float)), pitch == lowest[chord], pitch == highest[chord]]
    columns += [log(gap[chord]), log(gap[chord + 1]), notes["grace"]]
    return np.stack([np.asarray(c, dtype=np.float32) for c in columns], axis=1)


def neighbours(notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the nearest note (in pitch) at the next and at the previous onset of the same part; -1 where none is."""
    order = np.lexsort((notes["pitch"], notes["onset"], notes["part"]))
    part, onset, pitch = (notes[c][order].astype(np.int64) for c in ("part", "onset", "pitch"))
    opens = np.r_[True, (part[1:] != part[:-1]) | (onset[1:] != onset[:-1])]
    group = np.cumsum(opens) - 1
    group_part = part[opens]
    found = []
    for step in (1, -1):
        target = group + step
        inside = (target >= 0) & (target < len(group_part))
        inside[inside] &= group_part[target[inside]] == part[inside]
        found.append(_nearest(group, pitch, np.where(inside, target, -1), order))
    return found[0], found[1]


def _nearest(group: np.ndarray, pitch: np.ndarray, target: np.ndarray, order: np.ndarray) -> np.ndarray:
    place = np.searchsorted(group * 256 + pitch, target * 256 + pitch)
    best, distance = np.full(len(pitch), -1), np.full(len(pitch), 999)
    for candidate in (place, place - 1):
        at = np.clip(candidate, 0, len(pitch) - 1)
        apart = np.where((group[at] == target) & (target >= 0), np.abs(pitch[at] - pitch), 999)
        best, distance = np.where(apart < distance, at, best), np.minimum(apart, distance)
    out = np.full(len(pitch), -1)
    out[order] = np.where(best >= 0, order[best], -1)
    return out

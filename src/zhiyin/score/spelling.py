"""Names for pitches: fills spellings that the source does not give, from key and context.

Each note chooses among three names on the line of fifths: that in the window of twelve around its key signature, or
twelve fifths up or down. One logistic model for each degree of the chromatic scale, fitted on songs by
``tools/fit_spelling.py``, weighs the pitch classes around the note (in rings of time), the steps to the nearest notes
before and after it in its part, and the key: what line-of-fifths models and rules of voice leading say, with weights
that were measured. Without a key signature, the one that fits the notes best is assumed. Knows nothing about files.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np

from zhiyin.score.score import UNKNOWN_KEY, UNSPELLED, Score

RINGS = (0.25, 1.0, 4.0, 16.0)  # quarters to either side of a note
_STEP_REACH = 12  # semitones
_HISTOGRAMS = len(RINGS) * 12
_STEPS = 2 * (2 * _STEP_REACH + 1)
FEATURES = _HISTOGRAMS + _STEPS + 3


def spell(score: Score) -> Score:
    """The same score with every pitched note spelled (line of fifths, C = 0); given spellings stay as they are."""
    notes = score.notes
    if not len(notes):
        return score
    drums = np.array([p.drums for p in score.parts], dtype=bool)[notes["part"]]
    todo = (notes["spelling"] == UNSPELLED) & ~drums
    if not todo.any():
        return score
    spelled = notes.copy()
    spelled["spelling"][todo] = spellings(score.replace(notes=notes[~drums]))[todo[~drums]]
    return score.replace(notes=spelled)


def spellings(score: Score) -> np.ndarray:
    """Line of fifths of each note, shape (notes,), whatever the score says itself. No drums."""
    key = key_of_notes(score)
    window = windowed(score.notes["pitch"], key)
    weights, values = _weights(), context_features(score, key)
    degree = degrees(score.notes["pitch"], key)
    for d in np.unique(degree):
        rows = degree == d
        window[rows] += 12 * ((values[rows] @ weights[d]).argmax(axis=1) - 1)
    return window


def windowed(pitch: np.ndarray, key: np.ndarray) -> np.ndarray:
    """The name of each pitch in the window from four fifths under the key's tonic (major) to seven above, shape (notes,)."""
    return key - 4 + (pitch.astype(int) * 7 - (key - 4)) % 12


def degrees(pitch: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Pitch class of each note as fifths above the key's tonic (major), 0..11, shape (notes,)."""
    return (pitch.astype(int) * 7 - key) % 12


@cache
def _weights() -> np.ndarray:
    """Weights of shape (12 degrees, FEATURES, 3 names)."""
    with (files("zhiyin") / "data" / "spelling.npz").open("rb") as handle:
        return np.load(handle, allow_pickle=False)["weights"].astype(np.float32)


def key_of_notes(score: Score) -> np.ndarray:
    """Key signature (fifths) in force at each note, shape (notes,); the best fit to all notes where none is given."""
    key = score.bars["key"][score.bar_of(score.notes["onset"])].astype(int)
    if (key == UNKNOWN_KEY).any():
        key = np.where(key == UNKNOWN_KEY, _likely_key(score.notes), key)
    return key


def _likely_key(notes: np.ndarray) -> int:
    """The signature, -5..6, whose seven names hold most of the sounding time."""
    weight = np.bincount(notes["pitch"].astype(int) * 7 % 12, notes["duration"] + 1.0, minlength=12)
    signatures = np.arange(-5, 7)
    held = [weight[(np.arange(-1, 6) + k) % 12].sum() for k in signatures]
    return int(signatures[int(np.argmax(held))])


def context_features(score: Score, key: np.ndarray) -> np.ndarray:
    """What the model sees of each note, float32 of shape (notes, FEATURES)."""
    notes = score.notes
    pitch = notes["pitch"].astype(int)
    out = np.zeros((len(notes), FEATURES), dtype=np.float32)
    out[:, :_HISTOGRAMS] = _histograms(notes["onset"].astype(np.int64), degrees(pitch, key), score.ticks_per_quarter)
    for k, near in enumerate(_neighbours(notes)):
        there = np.flatnonzero(near >= 0)
        step = np.clip(pitch[near[there]] - pitch[there], -_STEP_REACH, _STEP_REACH)
        out[there, _HISTOGRAMS + k * (2 * _STEP_REACH + 1) + _STEP_REACH + step] = 1
    signature = np.clip(key, -7, 7)
    out[:, -3:] = np.stack([np.maximum(signature, 0) / 6, np.maximum(-signature, 0) / 6, np.ones(len(notes))], axis=1)
    return out


def _histograms(onset: np.ndarray, degree: np.ndarray, ticks_per_quarter: int) -> np.ndarray:
    """Shares of the twelve degrees in each ring around each note (itself left out), (notes, rings x 12)."""
    own = np.eye(12)[degree]
    total = np.concatenate([np.zeros((1, 12)), own.cumsum(axis=0)])
    inner, out = own, []
    for ring in RINGS:
        reach = int(ring * ticks_per_quarter)
        low = np.searchsorted(onset, onset - reach, side="left")
        high = np.searchsorted(onset, onset + reach, side="right")
        found = total[high] - total[low]
        part, inner = found - inner, found
        out.append(part / np.maximum(part.sum(axis=1, keepdims=True), 1))
    return np.concatenate(out, axis=1)


def _neighbours(notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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

"""Fingerprints of melodic lines: hashes of note n-grams that survive transposition and a change of tempo.

An n-gram of n notes is its n-1 pitch intervals and n-2 ratios of neighbouring inter-onset times (in half octaves of
time, so that notation in doubled values matches). Plain arrays in, plain arrays out: nothing here knows scores,
files or what the fingerprints are used for (near duplicates, hold-out lists, originality).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zhiyin.errors import InputError

NGRAM = 8
WINDOW = 4
RATIO_LIMIT = 8  # half octaves of time: 16 times slower or faster
_STACK = 8  # how many earlier notes of a line may still sound over a later one
_PRIME = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class LinePrints:
    """Fingerprints of one line: ``hashes`` uint64 (grams,) and ``positions`` int64 (grams,).

    ``positions[i]`` is the index, in the arrays handed in, of the first note of the gram of ``hashes[i]``.
    """

    hashes: np.ndarray
    positions: np.ndarray


def fingerprints(onset: np.ndarray, pitch: np.ndarray, n: int = NGRAM) -> np.ndarray:
    """Hashes uint64 (max(0, notes - n + 1),) of the n-grams of a line; element i starts at note i.

    onset: (notes,) rising times in any unit. pitch: (notes,) MIDI numbers.
    """
    _check_line(onset, pitch, n)
    interval, ratio = steps_of(onset, pitch)
    return gram_hashes(interval, ratio, n)


def steps_of(onset: np.ndarray, pitch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How a line arrives at each of its notes: (interval in semitones, ratio of inter-onset times), int64 (notes,) each.

    The ratio counts half octaves of time, -8..8: 0 = as long as the step before, 2 = twice. The first note has neither
    (0), the second no ratio (0).
    """
    interval, ratio = np.zeros((2, len(pitch)), dtype=np.int64)
    interval[1:] = np.diff(np.asarray(pitch, dtype=np.int64))
    if len(pitch) > 2:
        ratio[2:] = _time_ratios(np.asarray(onset, dtype=np.float64)) - RATIO_LIMIT
    return interval, ratio


def gram_hashes(interval: np.ndarray, ratio: np.ndarray, n: int) -> np.ndarray:
    """Hashes uint64 (max(0, notes - n + 1),) of n-grams given as steps (see ``steps_of``); element i starts at note i."""
    count = len(interval) - n + 1
    if count <= 0:
        return np.zeros(0, dtype=np.uint64)
    steps = np.asarray(interval, dtype=np.int64).astype(np.uint64)
    times = (np.asarray(ratio, dtype=np.int64) + RATIO_LIMIT).astype(np.uint64)
    total = np.zeros(count, dtype=np.uint64)
    for k in range(1, n):
        total = _mix(total + steps[k : k + count] * _PRIME)
    for k in range(2, n):
        total = _mix(total + times[k : k + count] * _PRIME)
    return total


def different_intervals(interval: np.ndarray, n: int) -> np.ndarray:
    """How many different intervals each n-gram holds, int64 (max(0, notes - n + 1),)."""
    count = len(interval) - n + 1
    if count <= 0:
        return np.zeros(0, dtype=np.int64)
    order = np.argsort(np.asarray(interval, dtype=np.int16), kind="stable").astype(np.int32)
    same = np.asarray(interval)[order[1:]] == np.asarray(interval)[order[:-1]]
    before = np.full(len(order), -1, dtype=np.int32)  # the last note before that has the same interval
    before[order[1:][same]] = order[:-1][same]
    begin, out = np.arange(count, dtype=np.int32), np.zeros(count, dtype=np.int8)
    for k in range(1, n):
        out += before[k : k + count] <= begin
    return out.astype(np.int64)


def winnow(hashes: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """Positions int64 of the hashes that winnowing keeps: the (last) smallest of every ``window`` neighbours.

    Any ``window`` consecutive hashes that two lines share leave at least one shared hash in both selections.
    """
    if window <= 1 or len(hashes) == 0:
        return np.arange(len(hashes))
    if len(hashes) <= window:
        return np.array([len(hashes) - 1 - int(np.argmin(hashes[::-1]))])
    windows = np.lib.stride_tricks.sliding_window_view(hashes, window)
    last_smallest = window - 1 - np.argmin(windows[:, ::-1], axis=1)
    return np.unique(np.arange(len(windows)) + last_smallest)


def outer_line(onset: np.ndarray, duration: np.ndarray, pitch: np.ndarray, *, top: bool = True) -> np.ndarray:
    """Indices int64 of the notes of the highest (or lowest) line, in time order.

    One note per onset, the outermost; a note that starts under (over) a line note still sounding is left out.
    """
    if len(onset) == 0:
        return np.zeros(0, dtype=np.int64)
    height = np.asarray(pitch, dtype=np.int64) * (1 if top else -1)
    order = np.lexsort((-height, onset))
    order = order[np.r_[True, np.diff(np.asarray(onset)[order]) != 0]]
    start = np.asarray(onset, dtype=np.int64)[order]
    end = start + np.asarray(duration, dtype=np.int64)[order]
    height = height[order]
    covered = np.zeros(len(order), dtype=bool)
    for lag in range(1, min(_STACK, len(order) - 1) + 1):
        covered[lag:] |= (end[:-lag] > start[lag:]) & (height[:-lag] > height[lag:])
    return order[~covered]


def without_repeats(pitch: np.ndarray) -> np.ndarray:
    """Indices int64 of the notes that are not at the pitch of the note before them."""
    if len(pitch) == 0:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.r_[True, np.diff(np.asarray(pitch, dtype=np.int64)) != 0])


def line_prints(onset: np.ndarray, pitch: np.ndarray, *, n: int = NGRAM, window: int = WINDOW) -> LinePrints:
    """Winnowed fingerprints of a line, repeated notes merged (sources differ in what they tie and repeat)."""
    kept = without_repeats(pitch)
    hashes = fingerprints(np.asarray(onset)[kept], np.asarray(pitch)[kept], n)
    chosen = winnow(hashes, window)
    return LinePrints(hashes[chosen], kept[chosen])


def piece_prints(
    onset: np.ndarray, duration: np.ndarray, pitch: np.ndarray, *, n: int = NGRAM, window: int = WINDOW
) -> LinePrints:
    """Fingerprints of the top line and of the bottom line of a polyphonic piece; arrays (notes,) in any order."""
    found = []
    for top in (True, False):
        line = outer_line(onset, duration, pitch, top=top)
        prints = line_prints(np.asarray(onset)[line], np.asarray(pitch)[line], n=n, window=window)
        salt = np.uint64(0) if top else _PRIME
        found.append(LinePrints(prints.hashes ^ salt, line[prints.positions]))
    return LinePrints(
        np.concatenate([p.hashes for p in found]), np.concatenate([p.positions for p in found]).astype(np.int64)
    )


def containment(query: np.ndarray, reference: np.ndarray) -> float:
    """Share 0..1 of the distinct hashes of ``query`` that ``reference`` also has (0 for an empty query)."""
    distinct = np.unique(query)
    return float(np.isin(distinct, reference).mean()) if len(distinct) else 0.0


def _time_ratios(onset: np.ndarray) -> np.ndarray:
    gap = np.maximum(np.diff(onset), 1e-9)
    steps = np.rint(2 * np.log2(gap[1:] / gap[:-1]))
    return (np.clip(steps, -RATIO_LIMIT, RATIO_LIMIT) + RATIO_LIMIT).astype(np.int64)


def _mix(value: np.ndarray) -> np.ndarray:
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def _check_line(onset: np.ndarray, pitch: np.ndarray, n: int) -> None:
    if n < 3:
        raise InputError("A note n-gram is too short to tell pieces apart", expected="n ≥ 3", received=f"n = {n}")
    if len(onset) != len(pitch):
        raise InputError(
            "A line needs one pitch for each onset", expected=f"{len(onset)} pitches", received=f"{len(pitch)}"
        )
    if len(onset) > 1 and (np.diff(onset) < 0).any():
        raise InputError(
            "A line must run forward in time",
            expected="onsets that do not fall",
            received=f"a fall at note {int(np.argmax(np.diff(onset) < 0)) + 1}",
            hint="take outer_line(onset, duration, pitch) first",
        )

"""Which hand plays which note: staves for keyboard parts.

A small network, fitted on piano parts of songs by ``tools/fit_staves.py``, says for each note how likely it stands on
the top staff, from the pitches around it in time, its place in its chord and the steps to its neighbours. Then one
dynamic programme over the onsets chooses for each chord how many notes the left hand takes, so that hands do not cross,
do not stretch and do not jump. Knows nothing about files or notation.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np

from zhiyin.score.score import Score

RINGS = (1.0, 4.0, 16.0)  # quarters before and after a note
_REACH, _BIN = 36, 3  # semitones to either side, and per bin
_BINS = 2 * _REACH // _BIN + 1
_STEP_REACH = 12
FEATURES = (1 + 2 * len(RINGS)) * _BINS + 2 * (2 * _STEP_REACH + 2) + 12
_SPAN = 16  # semitones that a hand holds at ease (a tenth)
_BORDERS = np.arange(30, 97)  # the lowest pitch of the right hand
_STRETCH_COST, _MOVE_COST = 0.3, 0.03  # nats per semitone


def split_staves(score: Score, part: int) -> np.ndarray:
    """Staff (1 top, 2 bottom) of each note of ``part``, shape (notes of the part,), in the score's order."""
    notes = score.notes[score.notes["part"] == part]
    if not len(notes):
        return np.zeros(0, dtype=np.uint8)
    values = note_features(notes, score.ticks_per_quarter)
    for weight, bias in _layers()[:-1]:
        values = np.maximum(values @ weight + bias, 0)
    weight, bias = _layers()[-1]
    return _hands(notes, (values @ weight + bias)[:, 0].astype(float))


@cache
def _layers() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    with (files("zhiyin") / "data" / "staves.npz").open("rb") as handle:
        table = np.load(handle, allow_pickle=False)
        count = len(table.files) // 2
        return tuple(
            (table[f"weight{i}"].astype(np.float32), table[f"bias{i}"].astype(np.float32)) for i in range(count)
        )


def note_features(notes: np.ndarray, ticks_per_quarter: int) -> np.ndarray:
    """What the network sees of each note of one part, float32 of shape (notes, FEATURES)."""
    onset, pitch = notes["onset"].astype(np.int64), notes["pitch"].astype(int)
    first = np.searchsorted(onset, onset, side="left")
    after = np.searchsorted(onset, onset, side="right")
    own = np.stack(
        [
            (pitch - 60) / 24,
            np.abs(pitch - 60) / 24,
            np.minimum(np.arange(len(pitch)) - first, 8) / 4,
            np.minimum(after - 1 - np.arange(len(pitch)), 8) / 4,
            _gap(pitch, first, -1),
            _gap(pitch, after - 1, 1),
            (pitch[after - 1] - pitch[first]) / 24,
            np.log2(np.maximum(notes["duration"], 1) / ticks_per_quarter) / 4,
            (pitch[after - 1] - pitch) / 24,
            (pitch - pitch[first]) / 24,
            _held(notes, first, -1),
            _held(notes, first, 1),
        ],
        axis=1,
    )
    around = _pitches_around(onset, pitch, first, after, ticks_per_quarter)
    return np.concatenate([own, around, _steps(pitch, first, after)], axis=1).astype(np.float32)


def _gap(pitch: np.ndarray, border: np.ndarray, way: int) -> np.ndarray:
    """Semitones (per octave, at most 2) to the next chord note below (-1) or above (1); 2 at the chord's edge."""
    rows = np.arange(len(pitch))
    near = np.clip(rows + way, 0, len(pitch) - 1)
    return np.where(rows == border, 2.0, np.minimum(np.abs(pitch[near] - pitch) / 12, 2.0))


def _held(notes: np.ndarray, first: np.ndarray, way: int) -> np.ndarray:
    """Nearness (1 same pitch … 0 an octave and more, or none) of a note still held from before, below or above."""
    onset, pitch = notes["onset"].astype(np.int64), notes["pitch"].astype(int)
    end = onset + notes["duration"]
    nearest = np.full(len(pitch), 12.0)
    for back in range(1, 13):
        at = np.maximum(first - back, 0)
        apart = (pitch[at] - pitch) * way
        sounding = (first >= back) & (end[at] > onset) & (apart >= 0)
        nearest = np.where(sounding, np.minimum(nearest, apart), nearest)
    return 1 - nearest / 12


def _pitches_around(
    onset: np.ndarray, pitch: np.ndarray, first: np.ndarray, after: np.ndarray, ticks_per_quarter: int
) -> np.ndarray:
    """Counts (soft, per ring) of pitches relative to the note: in its chord, before and after it."""
    total = np.zeros((len(onset) + 1, 128 + 2 * (_REACH + 1)), dtype=np.float32)
    total[np.arange(1, len(onset) + 1), pitch + _REACH + 1] = 1
    total = total.cumsum(axis=0)
    columns = pitch[:, None] + 1 + np.arange(2 * _REACH + 1)[None, :]
    spread = np.minimum((np.arange(2 * _REACH + 1) + _BIN // 2) // _BIN, _BINS - 1)
    gather = np.eye(_BINS, dtype=np.float32)[spread]

    def counted(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        found = total[high[:, None], columns] - total[low[:, None], columns]
        return found @ gather

    out = [np.minimum(counted(first, after), 3)]
    inner_low, inner_high = first, after
    for ring in RINGS:
        reach = round(ring * ticks_per_quarter)
        low = np.searchsorted(onset, onset - reach, side="left")
        high = np.searchsorted(onset, onset + reach, side="right")
        for a, b in ((low, inner_low), (inner_high, np.maximum(high, inner_high))):
            part = counted(a, b)
            out.append(4 * part / np.maximum(part.sum(axis=1, keepdims=True), 4))
        inner_low, inner_high = low, np.maximum(high, inner_high)
    return np.concatenate(out, axis=1)


def _steps(pitch: np.ndarray, first: np.ndarray, after: np.ndarray) -> np.ndarray:
    """One-hot interval (± an octave, or none) to the nearest note of the next and of the previous chord."""
    group = np.cumsum(np.r_[True, first[1:] != first[:-1]]) - 1
    width = 2 * _STEP_REACH + 2
    out = np.zeros((len(pitch), 2 * width), dtype=np.float32)
    for k, step in enumerate((1, -1)):
        target = group + step
        place = np.searchsorted(group * 256 + pitch, target * 256 + pitch)
        best = np.full(len(pitch), 99)
        for candidate in (place, place - 1):
            at = np.clip(candidate, 0, len(pitch) - 1)
            apart = np.where(group[at] == target, pitch[at] - pitch, 99)
            best = np.where(np.abs(apart) < np.abs(best), apart, best)
        column = np.where(best == 99, width - 1, np.clip(best, -_STEP_REACH, _STEP_REACH) + _STEP_REACH)
        out[np.arange(len(pitch)), k * width + column] = 1
    return out


def _hands(notes: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Staves from the log-odds ``top`` (notes,) of the top staff, by the cheapest path of the border between the hands.

    At each onset the notes from the border upwards go to the right hand. A border costs what the odds say against it
    and what a hand must stretch past a tenth; moving it costs by the distance.
    """
    onset, pitch = notes["onset"].astype(np.int64), notes["pitch"].astype(int)
    first = np.flatnonzero(np.r_[True, onset[1:] != onset[:-1]])
    upper = pitch[:, None] >= _BORDERS[None, :]
    against = np.where(upper, np.logaddexp(0, -top)[:, None], np.logaddexp(0, top)[:, None])
    cost = np.add.reduceat(against, first, axis=0) + _stretch(pitch, upper, first)
    border = _BORDERS[_cheapest_path(cost)][np.cumsum(np.r_[False, onset[1:] != onset[:-1]])]
    return np.where(pitch >= border, 1, 2).astype(np.uint8)


def _stretch(pitch: np.ndarray, upper: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Cost of what each hand stretches past a tenth, for each onset and border, (onsets, borders)."""
    cost = np.zeros((len(first), len(_BORDERS)))
    for hand in (upper, ~upper):
        high = np.maximum.reduceat(np.where(hand, pitch[:, None], -1000), first, axis=0)
        low = np.minimum.reduceat(np.where(hand, pitch[:, None], 1000), first, axis=0)
        cost += _STRETCH_COST * np.maximum(high - low - _SPAN, 0)
    return cost


def _cheapest_path(cost: np.ndarray) -> np.ndarray:
    """Column of each row of ``cost`` (onsets, borders) on the cheapest way through, moves costed by distance."""
    apart = _MOVE_COST * np.abs(_BORDERS[:, None] - _BORDERS[None, :])
    total, back = cost[0], np.zeros(cost.shape, dtype=np.int16)
    for i in range(1, len(cost)):
        through = total[:, None] + apart
        back[i] = through.argmin(axis=0)
        total = through.min(axis=0) + cost[i]
    path = np.zeros(len(cost), dtype=int)
    path[-1] = int(total.argmin())
    for i in range(len(cost) - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    return path

"""What an encoder sees of a window of rows: the notes and their meter, nothing that tells where the file came from.

Left out on purpose: velocity, tempo, programs (drums are told apart, nothing else), part numbers, keys, chords, the
plan, controls. Pitches are counted from the window's median, so a transposed piece looks the same. A hidden row shows
that it is there and nothing else; what its neighbours say is counted between the rows that can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zhiyin.encoding.fields import (
    BAR_COLUMN,
    BAR_SIZES,
    DRUM_PROGRAM,
    DURATIONS,
    MAX_BAR_STEP,
    MAX_BAR_STEPS,
    STEPS_PER_QUARTER,
    duration_class,
)
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION

MIDDLE = 64  # class of the median pitch
INTERVALS, OVER = 24, 36  # semitones that an interval and a height over the lowest note are clipped to
METER = tuple(BAR_COLUMN[name] for name in ("length", "numerator", "denominator"))
LENGTH = BAR_COLUMN["length"]

VIEW_SIZES = {
    "state": 2,  # 0 seen, 1 hidden; -1 = padding
    "position": MAX_BAR_STEPS,
    "step": STEPS_PER_QUARTER,
    "quarter": MAX_BAR_STEPS // STEPS_PER_QUARTER,
    "pitch": 256,  # from the median, which is MIDDLE; drum keys at 128 + key
    "tone": 13,  # the same modulo 12; 12 = drums
    "duration": len(DURATIONS),
    "gap": 1 + len(DURATIONS),  # since the row before: 0 = together, else 1 + duration class
    "interval": 2 * INTERVALS + 1,  # from the part's note before
    "over": OVER + 1,  # over the lowest note of the same onset
    **{f"bar_{name}": BAR_SIZES[BAR_COLUMN[name]] for name in ("length", "numerator", "denominator")},
}
HIDDEN_SIZES = {  # what is predicted of a hidden row
    "bar_step": MAX_BAR_STEP + 1,
    "position": MAX_BAR_STEPS,
    "pitch": 256,
    "duration": len(DURATIONS),
}


@dataclass(frozen=True)
class View:
    """A window as an encoder reads it.

    columns: int64 (T, len(VIEW_SIZES)), classes, -1 = not there. time: float32 (T,), bars since the window's first bar
    (a hidden row stands where the seen row before it stands). targets: int64 (T, len(HIDDEN_SIZES)), of every row.
    """

    columns: np.ndarray
    time: np.ndarray
    targets: np.ndarray


def look(
    rows: np.ndarray, bars: np.ndarray, programs: np.ndarray, *, shift: int = 0, hidden: np.ndarray | None = None
) -> View:
    """The view of rows (int (T, 6), ROW_COLUMNS, T ≥ 1) over their bar table, bar numbers as in the table.

    ``shift``: semitones that the median is taken to lie lower. ``hidden``: bool (T,), rows that are not shown.
    """
    rows = rows.astype(np.int64)
    first, last = int(rows[0, BAR]), int(rows[-1, BAR])
    bars = bars[first : last + 1].astype(np.int64)
    bar, position = rows[:, BAR] - first, rows[:, POSITION]
    seen = np.ones(len(rows), dtype=bool) if hidden is None else ~hidden
    drums = np.asarray(programs).reshape(-1)[rows[:, PART]] == DRUM_PROGRAM
    onset = (np.cumsum(bars[:, LENGTH]) - bars[:, LENGTH])[bar] + position
    pitch = _from_median(rows[:, PITCH], drums, shift)
    columns = np.full((len(rows), len(VIEW_SIZES)), -1, dtype=np.int64)
    columns[:, 1:7] = np.stack(
        (position, position % STEPS_PER_QUARTER, position // STEPS_PER_QUARTER, pitch,
         np.where(drums, 12, pitch % 12), rows[:, DURATION]), -1
    )  # fmt: skip
    columns[seen, 7] = _gaps(onset[seen])
    pitched = np.flatnonzero(seen & ~drums)
    columns[pitched, 8] = _intervals(rows[pitched, PITCH], rows[pitched, PART])
    columns[pitched, 9] = _over_lowest(rows[pitched, PITCH], onset[pitched])
    columns[:, 10:] = bars[bar][:, METER]
    columns[~seen] = -1
    columns[:, 0] = ~seen
    time = bar + position / np.maximum(bars[bar, LENGTH], 1)
    time = np.maximum.accumulate(np.where(seen, time, 0.0)).astype(np.float32)
    step = np.minimum(np.diff(bar, prepend=bar[0]), MAX_BAR_STEP)
    return View(columns, time, np.stack((step, position, pitch, rows[:, DURATION]), -1))


def _from_median(pitch: np.ndarray, drums: np.ndarray, shift: int) -> np.ndarray:
    """Classes of pitches from the median of the pitched notes; drum keys in their own half."""
    middle = int(np.median(pitch[~drums])) if not drums.all() else 0
    return np.where(drums, 128 + pitch, np.clip(pitch - middle + MIDDLE + shift, 0, 127))


def _gaps(onset: np.ndarray) -> np.ndarray:
    gap = np.diff(onset, prepend=onset[:1])
    return np.where(gap > 0, 1 + duration_class(gap), 0)


def _intervals(pitch: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Class of the step from the part's note before; -1 for a part's first."""
    order = np.argsort(part, kind="stable")
    step = np.diff(pitch[order], prepend=0)
    found = np.clip(step, -INTERVALS, INTERVALS) + INTERVALS
    found[np.diff(part[order], prepend=-1) != 0] = -1
    out = np.empty(len(pitch), dtype=np.int64)
    out[order] = found
    return out


def _over_lowest(pitch: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """Semitones over the lowest note of the same onset (onsets ascending)."""
    if not len(pitch):
        return pitch
    starts = np.flatnonzero(np.diff(onset, prepend=onset[0] - 1))
    lowest = np.minimum.reduceat(pitch, starts)
    counts = np.diff(np.r_[starts, len(pitch)])
    return np.minimum(pitch - np.repeat(lowest, counts), OVER)


def pad(views: list[View], length: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Views as one batch: columns int64 (B, T, C) padded with -1, time float32 (B, T) padded with 0."""
    length = max(length, *(len(v.time) for v in views))
    columns = np.full((len(views), length, len(VIEW_SIZES)), -1, dtype=np.int64)
    time = np.zeros((len(views), length), dtype=np.float32)
    for i, view in enumerate(views):
        columns[i, : len(view.time)] = view.columns
        time[i, : len(view.time)] = view.time
    return columns, time

"""Given and written rows in one sequence: the order in which a network reads and writes them.

Every row is *given* or *to be written*. Two layouts were measured (lab notebook): ``interleaved`` places a given
row ``LOOKAHEAD`` bars ahead of its onset among the written ones; ``spans`` puts the given rows of a window before
each span of bars. Nothing here knows networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zhiyin.encoding.fields import END, MAX_BAR_STEP
from zhiyin.encoding.rows import BAR, PART, PITCH

LOOKAHEAD = 2  # bars that given rows run ahead of the written ones
SPAN, SPAN_CONTEXT = 8, 4  # layout "spans": bars written at a time, bars of given rows seen on either side

WRITTEN, GIVEN, START = 0, 1, 2  # the flag of an input row
INPUT_COLUMNS = ("step", "position", "part", "pitch", "duration", "velocity", "flag", "bar", "cursor")
STEP_INPUTS = END + 1 + 2 * MAX_BAR_STEP + 1  # classes of the input column "step": written steps, then given distances
NO_PITCH = 128  # "this part has not played yet"


@dataclass(frozen=True)
class Sequence:
    """A piece laid out for a network; T inputs, the last of which predicts the end.

    inputs: int32 (T, 9), INPUT_COLUMNS: step class, the row's fields, its flag, its bar, and the cursor (bar of the
    last written row so far). targets: int32 (T, 6), classes of ROW_FIELDS of the next row. scored: bool (T,), the
    next row is written (or the end). previous_pitch: int32 (T,), last written pitch of the target's part, NO_PITCH if none.
    """

    inputs: np.ndarray
    targets: np.ndarray
    scored: np.ndarray
    previous_pitch: np.ndarray


def lay_out(rows: np.ndarray, given: np.ndarray | None = None, *, layout: str = "interleaved") -> Sequence:
    """Lays out rows (int (R, 6), ROW_COLUMNS) with a mask of given ones (bool (R,), none by default)."""
    rows = rows.astype(np.int32)
    given = np.zeros(len(rows), dtype=bool) if given is None else given
    order = (_interleaved if layout == "interleaved" else _spans)(rows[:, BAR], given)
    rows, given = rows[order], given[order]
    written = ~given
    cursor = np.maximum.accumulate(np.where(written, rows[:, BAR], 0)) if len(rows) else np.zeros(0, np.int32)
    before = np.r_[0, cursor[:-1]].astype(np.int32) if len(rows) else cursor
    moved = np.minimum(rows[:, BAR] - before, MAX_BAR_STEP)  # a rest may be longer than a step can say
    step = np.where(written, moved, given_step(rows[:, BAR] - cursor))
    count = len(rows) + 1
    inputs = np.zeros((count, len(INPUT_COLUMNS)), dtype=np.int32)
    inputs[0, 6] = START
    inputs[1:, 0] = step
    inputs[1:, 1:6] = rows[:, 1:]
    inputs[1:, 6] = given
    inputs[1:, 7] = rows[:, BAR]
    inputs[1:, 8] = cursor
    targets = np.zeros((count, 6), dtype=np.int32)
    targets[:-1, 0] = moved
    targets[:-1, 1:] = rows[:, 1:]
    targets[:-1][given] = 0
    targets[-1, 0] = END
    previous = np.full(count, NO_PITCH, dtype=np.int32)
    previous[:-1] = _previous_pitch(rows, written)
    return Sequence(inputs, targets, np.r_[written, True], previous)


def given_step(distance: np.ndarray) -> np.ndarray:
    """Step class of a given row that lies ``distance`` bars from the cursor (clipped to ±MAX_BAR_STEP)."""
    return END + 1 + MAX_BAR_STEP + np.clip(distance, -MAX_BAR_STEP, MAX_BAR_STEP)


def _interleaved(bar: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Given rows of bar g follow the first written row in bar ≥ g - LOOKAHEAD; those of the first bars come first.

    Given rows further on than any written row reaches are left out.
    """
    written = np.flatnonzero(~given)
    if not given.any():
        return written
    at = np.flatnonzero(given)
    rank = np.searchsorted(bar[written], bar[at] - LOOKAHEAD, side="left")
    rank = np.where(bar[at] <= LOOKAHEAD, 0, rank + 1)
    seen = rank <= len(written)
    keys = np.r_[2 * np.arange(len(written)) + 1, 2 * rank[seen]]
    return np.r_[written, at[seen]][np.argsort(keys, kind="stable")]


def _spans(bar: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Per span of bars that has written rows: the given rows in and around it, then the written ones."""
    out: list[np.ndarray] = []
    for first in range(0, int(bar.max(initial=0)) + 1, SPAN):
        written = np.flatnonzero(~given & (bar >= first) & (bar < first + SPAN))
        if len(written):
            around = (bar >= first - SPAN_CONTEXT) & (bar < first + SPAN + SPAN_CONTEXT)
            out += [np.flatnonzero(given & around), written]
    return np.concatenate(out) if out else np.zeros(0, dtype=np.int64)


def _previous_pitch(rows: np.ndarray, written: np.ndarray) -> np.ndarray:
    """For each row the pitch of the last written row before it in its part, NO_PITCH where there is none: a given row lies ahead, and
    would say what follows, not what was.
    """
    order = np.argsort(rows[:, PART], kind="stable")
    part, at = rows[order, PART], np.arange(len(rows))
    last = np.maximum.accumulate(np.where(written[order], at, -1))  # the last written row so far, of any part
    last = np.r_[-1, last][: len(rows)]
    same = (last >= 0) & (part[last] == part)
    out = np.empty(len(rows), dtype=np.int32)
    out[order] = np.where(same, rows[order[last], PITCH], NO_PITCH)
    return out

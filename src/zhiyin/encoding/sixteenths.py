"""Lines on a grid of sixteenths: one class per sixteenth and line (rest, hold, or a pitch struck), bar by bar.

    0 = rest, 1 = hold, 2 + p = pitch p struck, NONE = past the end of a bar

A line sounds one note at a time. What does not fit the grid (chords, overlaps, onsets between sixteenths) is counted per
bar, so that windows that are whole can be told from windows that would lose something. Bars of 8, 12 and 16 sixteenths.
Shapes: N bars, K lines; grids are uint8 (N, 16, K).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zhiyin.encoding.fields import BAR_COLUMN, BAR_FLAGS, DRUM_PROGRAM, DURATIONS, STEPS_PER_QUARTER
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION, EncodedPiece
from zhiyin.errors import EncodingError

SIXTEENTH = STEPS_PER_QUARTER // 4  # steps
BAR_SLOTS = 16
BAR_LENGTHS = (8, 12, 16)  # sixteenths that a bar may have
REST, HOLD, FIRST_PITCH = 0, 1, 2
CLASSES = FIRST_PITCH + 128
NONE = CLASSES  # past the end of a bar; read, never written
GRID = "sixteenths/1"


@dataclass(frozen=True)
class Lines:
    """Lines of a piece. grid: uint8 (N, 16, K); length: sixteenths of each bar (N,), 0 where the grid has no such bar;
    lost: notes of each bar and line that the grid cannot say exactly (N, K); struck: onsets in it (N, K)."""

    grid: np.ndarray
    length: np.ndarray
    lost: np.ndarray
    struck: np.ndarray


def bar_lengths(bars: np.ndarray) -> np.ndarray:
    """Sixteenths of each bar of a bar table, int (N,); 0 where it is none of BAR_LENGTHS."""
    steps = bars[:, BAR_COLUMN["length"]].astype(np.int64)
    whole = np.where(steps % SIXTEENTH == 0, steps // SIXTEENTH, 0)
    return np.where(np.isin(whole, BAR_LENGTHS), whole, 0)


def lines_of(piece: EncodedPiece, parts: Sequence[int]) -> Lines:
    """The given parts of a piece as lines: the highest note of each onset, cut where the next one begins.

    Onsets go to the nearest sixteenth below; a note is lost where another of its line stands on the same sixteenth.
    """
    count = len(piece.bars)
    length = bar_lengths(piece.bars)
    begin = np.r_[0, np.cumsum(piece.bars[:, BAR_COLUMN["length"]].astype(np.int64))]
    grid = np.zeros((count, BAR_SLOTS, len(parts)), dtype=np.uint8)
    lost = np.zeros((count, len(parts)), dtype=np.int64)
    struck = np.zeros((count, len(parts)), dtype=np.int64)
    for k, part in enumerate(parts):
        rows = piece.rows[piece.rows[:, PART] == part].astype(np.int64)
        grid[..., k], lost[:, k], struck[:, k] = _one_line(rows, length, begin)
    grid[np.arange(BAR_SLOTS)[None, :] >= np.where(length, length, BAR_SLOTS)[:, None]] = NONE
    return Lines(grid, length, lost, struck)


def _one_line(rows: np.ndarray, length: np.ndarray, begin: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One part's rows -> its column of the grid (N, 16), lost and struck (N,)."""
    count, out = len(length), np.zeros((len(length), BAR_SLOTS), dtype=np.uint8)
    lost, struck = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    if not len(rows):
        return out, lost, struck
    onset = begin[rows[:, BAR]] + rows[:, POSITION]
    end = onset + DURATIONS[rows[:, DURATION]]
    slot = rows[:, BAR] * BAR_SLOTS + np.minimum(rows[:, POSITION] // SIXTEENTH, BAR_SLOTS - 1)
    last = np.r_[slot[1:] != slot[:-1], True]  # rows of one onset ascend by pitch: the last is the highest
    off = rows[:, POSITION] % SIXTEENTH != 0
    following = np.r_[onset[1:], onset[-1] + (1 << 20)]
    np.add.at(lost, rows[:, BAR], (~last | off | (end > following)).astype(np.int64))
    rows, slot, end = rows[last], slot[last], end[last]
    np.add.at(struck, rows[:, BAR], 1)
    out.reshape(-1)[slot] = FIRST_PITCH + rows[:, PITCH]
    _hold(out, slot, end, begin)
    return out, lost, struck


def _hold(out: np.ndarray, slot: np.ndarray, end: np.ndarray, begin: np.ndarray) -> None:
    """Marks the slots that each note goes on through, to the sixteenth nearest its end or to the next onset."""
    flat = out.reshape(-1)
    bar = np.minimum(np.searchsorted(begin, end, side="right") - 1, len(out) - 1)
    within = np.minimum((end - begin[bar] + SIXTEENTH // 2) // SIXTEENTH, BAR_SLOTS)
    stop = np.minimum(bar * BAR_SLOTS + within, np.r_[slot[1:], len(flat)])
    sizes = np.maximum(stop - slot - 1, 0)
    flat[np.repeat(slot + 1 - np.r_[0, np.cumsum(sizes)[:-1]], sizes) + np.arange(sizes.sum())] = HOLD


def rows_of(grid: np.ndarray, length: np.ndarray, bar_table: np.ndarray) -> np.ndarray:
    """The rows that a grid says over a bar table (its bars in the grid's order): int16 (R, 6), line k as part k.

    A hold after a rest, or at the very beginning, is a rest. grid: (N, 16, K); length: (N,).
    """
    if len(grid) != len(bar_table) or not np.array_equal(length, bar_lengths(bar_table)):
        raise EncodingError(
            "Grid and bars differ",
            expected=f"{len(bar_table)} bars of {', '.join(map(str, BAR_LENGTHS))} sixteenths",
            received=f"{len(grid)} bars of {np.unique(length).tolist()} sixteenths",
        )
    made = [_rows_of_line(grid[..., k], length, k) for k in range(grid.shape[2])]
    rows = np.concatenate(made) if made else np.zeros((0, 6), dtype=np.int64)
    return rows[np.lexsort((rows[:, PITCH], rows[:, PART], rows[:, POSITION], rows[:, BAR]))].astype(np.int16)


def _rows_of_line(line: np.ndarray, length: np.ndarray, part: int) -> np.ndarray:
    bar, slot = np.nonzero(np.arange(BAR_SLOTS)[None, :] < length[:, None])
    classes = line[bar, slot]
    at = np.flatnonzero(classes >= FIRST_PITCH)
    edges = np.flatnonzero(classes != HOLD)
    stop = np.r_[edges, len(classes)][np.searchsorted(edges, at, side="right")]
    sixteenths = np.minimum(stop - at, int(DURATIONS[-1]) // SIXTEENTH)
    out = np.zeros((len(at), 6), dtype=np.int64)
    out[:, BAR], out[:, POSITION], out[:, PART] = bar[at], slot[at] * SIXTEENTH, part
    out[:, PITCH] = classes[at].astype(np.int64) - FIRST_PITCH
    steps = sixteenths * SIXTEENTH  # rows say every whole number of sixteenths up to a bar; longer ones to the class below
    out[:, DURATION] = np.searchsorted(DURATIONS, steps, side="right") - 1
    return out


def pitched_parts(programs: np.ndarray) -> list[int]:
    """Parts that are not drums."""
    return [p for p, program in enumerate(programs) if program != DRUM_PROGRAM]


def first_whole_bar(bars: np.ndarray) -> int:
    """0, or 1 where the piece begins with an upbeat."""
    return int(bars[0, BAR_COLUMN["flag"]] == 1 + BAR_FLAGS.index("upbeat"))

"""Masks of a run: new notes stand in the selected cells, within the instruments' ranges, clear of the notes that stay.

At a seam (the bar line between an old and a new bar) a line keeps within an octave of the note on the other side, or as
far from it as the original leapt. Nothing here samples.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from zhiyin.encoding.fields import BAR_COLUMN, DRUM_PROGRAM, DURATIONS, MAX_PARTS, STEPS_PER_QUARTER
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION
from zhiyin.inference.masks import ANY_POSITION, GRID, NO_POSITION, Masks, PitchSets, plain_masks
from zhiyin.inference.opened import Opened
from zhiyin.inference.seams import OCTAVE, stretches


def run_masks(
    opened: Opened, table: np.ndarray, shift: int, bars: np.ndarray, rows: np.ndarray, *, beside: bool
) -> Masks:
    """Ranges in the cells that are written; lines wait while a note that stays is sounding. Elsewhere silence, or
    (``beside``: woven rows stand there) what the parts that stay may play.

    The bar after the run is open to the step that ends it.
    """
    masks = plain_masks(table, opened.parts)
    index, count, parts = masks.pitch_index, len(table), len(opened.parts)
    local = bars - shift
    free = np.zeros((count, MAX_PARTS), dtype=bool)
    free[local, :parts] = opened.cells[bars]
    after = int(local[-1]) + 1
    if after < count:
        free[after, :parts] = opened.cells[bars].any(axis=0)
    if beside:
        free[local[0] : after + 1, :parts] |= ~opened.cells[bars[0] : bars[0] + after + 1 - local[0]][: count - local[0]]
    index[~free.repeat(index.shape[1], axis=0).reshape(index.shape)] = 0
    _silence_under_kept(opened, index, shift, bars, rows)
    position = np.full(count, NO_POSITION, dtype=np.int64)
    position[local[0] : after if beside else 0] = ANY_POSITION
    position[local] = GRID if opened.score.timing == "notated" else ANY_POSITION
    if after < count:
        position[after] = ANY_POSITION
    return _bound_seams(opened, replace(masks, pitch_index=index, position_index=position), shift, bars, rows)


def _silence_under_kept(opened: Opened, index: np.ndarray, shift: int, bars: np.ndarray, rows: np.ndarray) -> None:
    """In parts of one note at a time, no new note begins in a quarter that a note which stays fills."""
    begin = np.cumsum(opened.piece.bars[:, BAR_COLUMN["length"]].astype(np.int64)) - opened.piece.bars[:, BAR_COLUMN["length"]]
    for part in np.flatnonzero(opened.single & opened.cells[bars].any(axis=0)):
        mine = rows[rows[:, PART] == part]
        onset = begin[mine[:, BAR]] + mine[:, POSITION]
        end = onset + DURATIONS[mine[:, DURATION]]
        for bar in bars:
            quarters = begin[bar] + STEPS_PER_QUARTER * np.arange(index.shape[1])
            full = ((onset[:, None] <= quarters) & (end[:, None] >= quarters + STEPS_PER_QUARTER)).any(axis=0)
            index[bar - shift, full, part] = 0


def _bound_seams(opened: Opened, masks: Masks, shift: int, bars: np.ndarray, rows: np.ndarray) -> Masks:
    """Lines near their neighbours in the first and last bar of each stretch; other parts not further above them."""
    sets, index = PitchSets(masks.pitch[1:]), masks.pitch_index.copy()
    written = np.zeros_like(opened.cells)
    written[bars] = opened.cells[bars]
    gone = opened.piece.rows[opened.gone]
    for part, first, last in stretches(written):
        if opened.piece.programs[part] == DRUM_PROGRAM:
            continue
        mine, old = rows[rows[:, PART] == part], gone[gone[:, PART] == part]
        for bar, neighbour, step in ((first, first - 1, 1), (last, last + 1, -1)):
            near = _edge(mine[mine[:, BAR] == neighbour], step)
            if near is None:
                continue
            far = _edge(old[old[:, BAR] == bar], -step)
            room = max(OCTAVE, abs(far - near) if far is not None else 0)
            pitch = np.arange(128)
            inside = (pitch <= near + room) & ((pitch >= near - room) | ~opened.single[part])
            for quarter in np.flatnonzero(index[bar - shift, :, part]):
                mask = sets.rows[index[bar - shift, quarter, part]]
                if (mask & inside).any():
                    index[bar - shift, quarter, part] = sets.add(mask & inside)
    return replace(masks, pitch=np.array(sets.rows), pitch_index=index)


def _edge(rows: np.ndarray, step: int) -> int | None:
    """The highest pitch struck last (step 1) or first (step -1) among rows of one bar."""
    if not len(rows):
        return None
    at = rows[:, POSITION].max() if step > 0 else rows[:, POSITION].min()
    return int(rows[rows[:, POSITION] == at, PITCH].max())

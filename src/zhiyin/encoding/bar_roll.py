"""Bars of several parts as a piano roll of sixteenths, two cells for each pitch: it sounds, it is struck. Both directions.

    (W windows, K parts, N bars, 16 slots, P pitches, 2):  [..., 0] sounds, [..., 1] struck (counts only where it sounds)

A note begins where a cell sounds and is struck, or sounds where nothing sounded before, and goes on while the cell sounds and
is not struck again. So every sounding cell belongs to exactly one note, and no note is dropped.
"""

from __future__ import annotations

import numpy as np

from zhiyin.encoding.fields import DURATIONS
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION
from zhiyin.encoding.sixteenths import BAR_LENGTHS, BAR_SLOTS, FIRST_PITCH, HOLD, NONE, SIXTEENTH

LOWEST, PITCHES = 28, 72  # MIDI numbers 28..99
ROLL = "bar-roll/1"


def noise_vectors(bars: int, lines: int) -> int:
    """How many noise vectors a window is grown from: itself, its bars, its parts, each bar of each part, each slot of those."""
    return 1 + bars + lines + bars * lines * (1 + BAR_SLOTS)


def in_range(grid: np.ndarray) -> np.ndarray:
    """Which windows of lines (W, N, 16, K) a roll can hold: bool (W,)."""
    struck = (grid >= FIRST_PITCH) & (grid != NONE)
    pitch = grid.astype(np.int64) - FIRST_PITCH
    return (~struck | (pitch >= LOWEST) & (pitch < LOWEST + PITCHES)).reshape(len(grid), -1).all(1)


def roll_of(grid: np.ndarray) -> np.ndarray:
    """Windows of lines, uint8 (W, N, 16, K) -> uint8 (W, K, N, 16, P, 2). A hold with nothing before it in the window is silent."""
    w, n, _, k = grid.shape
    line = grid.transpose(0, 3, 1, 2).reshape(w * k, -1).astype(np.int64)
    struck = (line >= FIRST_PITCH) & (line != NONE)
    past = line == NONE
    stops = struck | ~((line == HOLD) | past)
    at = np.maximum.accumulate(np.where(stops, np.arange(line.shape[1]), -1), axis=1)
    source = np.take_along_axis(line, np.maximum(at, 0), 1)
    sounds = (at >= 0) & (source >= FIRST_PITCH) & (source != NONE) & ~past
    out = np.zeros((w * k, line.shape[1], PITCHES, 2), dtype=np.uint8)
    row, slot = np.nonzero(sounds)
    pitch = np.clip(source[row, slot] - FIRST_PITCH - LOWEST, 0, PITCHES - 1)
    out[row, slot, pitch, 0] = 1
    out[row, slot, pitch, 1] = struck[row, slot]
    return out.reshape(w, k, n, BAR_SLOTS, PITCHES, 2)


def rows_of_roll(roll: np.ndarray, length: int) -> np.ndarray:
    """One roll (K, N, 16, P, 2) -> rows int16 (R, 6) over N bars of one length (class of BAR_LENGTHS), part k = k.

    Notes go on over barlines; cells past the end of a bar are not read.
    """
    k, n = roll.shape[:2]
    slots = BAR_LENGTHS[length]
    cells = roll[:, :, :slots].astype(bool).reshape(k, n * slots, PITCHES, 2)
    sounds, struck = cells[..., 0], cells[..., 0] & cells[..., 1]
    before = np.concatenate([np.zeros_like(sounds[:, :1]), sounds[:, :-1]], 1)
    begins = sounds & (struck | ~before)
    part, at, pitch = np.nonzero(begins)
    stop = _ends(begins | ~sounds, part, at, pitch)
    rows = np.zeros((len(at), 6), dtype=np.int64)
    rows[:, BAR], rows[:, POSITION] = at // slots, at % slots * SIXTEENTH
    rows[:, PART], rows[:, PITCH] = part, pitch + LOWEST
    rows[:, DURATION] = np.searchsorted(DURATIONS, (stop - at) * SIXTEENTH, side="right") - 1
    order = np.lexsort((rows[:, PITCH], rows[:, PART], rows[:, POSITION], rows[:, BAR]))
    return rows[order].astype(np.int16)


def _ends(edge: np.ndarray, part: np.ndarray, at: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """The first slot after each note's beginning at which its cell is an edge (begins again or is silent); (R,)."""
    total = edge.shape[1]
    following = np.full(edge.shape, total, dtype=np.int64)
    following[:, :-1] = np.where(edge[:, 1:], np.arange(1, total)[None, :, None], total)
    ahead = np.minimum.accumulate(following[:, ::-1], axis=1)[:, ::-1]
    found: np.ndarray = ahead[part, at, pitch]
    return found

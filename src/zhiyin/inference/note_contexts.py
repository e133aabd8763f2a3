"""What each note is predicted from, as numbers that can be counted: contexts of growing length for three facts of a note.

A note of a part is told by its distance in time from the note before it in its part, its interval from that note, and
its duration. Each fact has a ladder of contexts, the first one almost empty, the last one four notes long; a count table over
them is a Markov model of variable order. Intervals make them the same in every key. (Longer contexts and ones that see the whole
chord before predicted no better on held-out pieces and made the table six times as large.)

Not looked at, because it says who made the file rather than what the music is: velocity, tempo, program numbers (but drums
or not), the number and order of parts, titles, styles, composers, and the plan columns of the bar table.
"""

from __future__ import annotations

import numpy as np

from zhiyin.encoding import EncodedPiece
from zhiyin.encoding.fields import BAR_COLUMN, DRUM_PROGRAM
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION

FACTS = ("distance", "interval", "duration")
LEVELS = (4, 4, 4)  # contexts of each fact, shortest first
FIRST_NOTE = -1  # distance of a part's first note
FAR = 400  # distances are capped here, in steps
FLOOR_SYMBOLS = 400  # values that a fact may have, at most, for the models' lowest level
_REACH = 5  # notes looked back
_GOLDEN, _SPREAD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)


class Notes:
    """The notes of a piece part by part, in time, with the columns that contexts are made of (each int64 (R,)).

    ``order``: index in the rows of each of them.
    """

    def __init__(self, piece: EncodedPiece) -> None:
        rows, bars = piece.rows.astype(np.int64), piece.bars.astype(np.int64)
        begin = np.r_[0, np.cumsum(bars[:, BAR_COLUMN["length"]])]
        onset = begin[rows[:, BAR]] + rows[:, POSITION]
        self.order = np.lexsort((rows[:, PITCH], onset, rows[:, PART]))
        rows, onset = rows[self.order], onset[self.order]
        count = len(rows)
        first = np.r_[True, rows[1:, PART] != rows[:-1, PART]][:count]
        self.start = np.maximum.accumulate(np.where(first, np.arange(count), 0))
        self.drums = (piece.programs.reshape(-1)[rows[:, PART]] == DRUM_PROGRAM).astype(np.int64)
        self.pitch, self.duration, self.position = rows[:, PITCH], rows[:, DURATION], rows[:, POSITION]
        bar = bars[rows[:, BAR]]
        self.meter = bar[:, BAR_COLUMN["numerator"]] * 8 + bar[:, BAR_COLUMN["denominator"]]
        self.key = bar[:, BAR_COLUMN["key"]]
        self.distance = np.where(first, FIRST_NOTE, np.minimum(np.diff(onset, prepend=0), FAR))
        step = np.diff(self.pitch, prepend=0)
        # a drum key is no interval: it is taken as it is
        self.interval = np.where(self.drums > 0, self.pitch + 1000, np.where(first, self.pitch + 200, step))

    def back(self, column: np.ndarray, count: int, missing: int) -> np.ndarray:
        """The column ``count`` notes earlier in the same part."""
        at = np.arange(len(column)) - count
        return np.where(at >= self.start, column[np.maximum(at, 0)], missing)

    def degree(self) -> np.ndarray:
        """Scale degree (0..11 over the signature's major tonic) of the note before; 12 unknown, 13 drums."""
        before = self.back(self.pitch, 1, -1)
        known = np.where((before < 0) | (self.key == 0), 12, (before - 7 * (self.key - 8)) % 12)
        return np.where(self.drums > 0, 13, known)


def contexts(piece: EncodedPiece) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(contexts, entries, order): uint32 (sum(LEVELS), R) keys of each context and of the context with what followed.

    Columns follow the piece part by part; ``order`` (R,) gives their rows. Keys are hashes of 32 bits.
    """
    notes = Notes(piece)
    seen, entries = [], []
    facts = (notes.distance, notes.interval, notes.duration)
    for fact, (value, ladder) in enumerate(zip(facts, _ladders(notes))):
        for level, columns in enumerate(ladder):
            key = np.full(len(value), 1 + level + 100 * fact, dtype=np.uint64)
            for column in columns:
                key = _mixed(key, column)
            seen.append(key)
            entries.append(_mixed(key * np.uint64(3), value))
    return _folded(seen), _folded(entries), notes.order


def _ladders(notes: Notes) -> tuple[list[list[np.ndarray]], ...]:
    """The columns of every context of the three facts, shortest first. Drums lend nothing to pitched parts, nor these to drums."""
    distance = [notes.distance, *(notes.back(notes.distance, k, -2) for k in range(1, _REACH))]
    step = np.where((notes.distance == FIRST_NOTE) & (notes.drums == 0), -98, notes.interval)  # a context never holds a pitch
    interval = [notes.interval, *(notes.back(step, k, -99) for k in range(1, _REACH))]
    duration = [notes.duration, *(notes.back(notes.duration, k, -1) for k in range(1, 5))]
    place, drums, degree = notes.back(notes.position, 1, -1), notes.drums, notes.degree()
    moves, moved = np.minimum(distance[0], 1), np.minimum(distance[1], 1)
    when = [
        [drums],
        [drums, distance[1], duration[1]],
        [drums, place, notes.meter, duration[1], distance[1]],
        [drums, place, *distance[1:5], duration[1]],
    ]
    where = [
        [drums, moves],
        [moves, degree, drums],
        [drums, moves, interval[1], moved, degree],
        [drums, *distance[:3], *interval[1:3], degree],
    ]
    how_long = [
        [drums],
        [drums, moves, duration[1], distance[1]],
        [drums, moves, notes.position, duration[1], distance[1], notes.meter],
        [drums, *distance[:3], *duration[1:4], interval[0]],
    ]
    return when, where, how_long


def _mixed(key: np.ndarray, column: np.ndarray) -> np.ndarray:
    """A hash of 64 bits that also depends on the column."""
    added = column.astype(np.int64).astype(np.uint64) + _GOLDEN + (key << np.uint64(6)) + (key >> np.uint64(2))
    key = (key ^ added) * _SPREAD
    return key ^ (key >> np.uint64(29))


def _folded(keys: list[np.ndarray]) -> np.ndarray:
    return (np.stack(keys) >> np.uint64(16)).astype(np.uint32)

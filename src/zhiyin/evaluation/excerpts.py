"""Excerpts and windows: the form in which human and composed music is compared, with nothing in it that gives a side away.

An excerpt is the first ``MAX_BARS`` full bars of an encoded piece: one meter, no upbeat, no velocity, tempo, key, names or marks.
A window is some of its bars. Notes that sound into a window are left out, notes that sound past its end are cut there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zhiyin.encoding.fields import BAR_COLUMN, BAR_FLAGS, DRUM_PROGRAM, DURATIONS, STEPS_PER_QUARTER
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION
from zhiyin.score import Part, Score, bars_array, notes_array

MAX_BARS = 64
WINDOWS = 4  # per piece at most


@dataclass(frozen=True)
class Excerpt:
    """The first bars of a piece. rows: int16 (T, 5): bar, position in steps, part, pitch, duration class; bars: how many there are
    (``MAX_BARS`` at most unless asked otherwise); regular: bool (bars,): full bars of the meter; lengths: int (bars,), steps; programs: int (parts,), 128 = drums.
    """

    piece: str
    rows: np.ndarray
    meter: tuple[int, int]
    programs: tuple[int, ...]
    regular: np.ndarray
    lengths: np.ndarray

    @property
    def bars(self) -> int:
        """Number of bars."""
        return len(self.regular)

    def window(self, first: int, bars: int) -> Excerpt:
        """Bars first .. first + bars - 1 as an excerpt of their own."""
        low, high = np.searchsorted(self.rows[:, BAR], [first, first + bars])
        rows = self.rows[low:high].copy()
        rows[:, BAR] -= first
        inside = slice(first, first + bars)
        return Excerpt(self.piece, rows, self.meter, self.programs, self.regular[inside], self.lengths[inside])

    def score(self) -> Score:
        """The excerpt as a score of 24 ticks a quarter; durations end with its last bar."""
        numerator, denominator = self.meter
        bars = bars_array(self.lengths.tolist(), meter_numerator=numerator, meter_denominator=denominator)
        rows = self.rows.astype(np.int64)
        onset = bars["onset"][rows[:, BAR]] + rows[:, POSITION] if len(rows) else np.zeros(0, np.int64)
        end = int(bars["onset"][-1] + bars["duration"][-1])
        length = np.minimum(DURATIONS[rows[:, DURATION]], end - onset)
        notes = notes_array(onset=onset, duration=length, pitch=rows[:, PITCH], part=rows[:, PART])
        parts = tuple(Part("", p % DRUM_PROGRAM, p == DRUM_PROGRAM) for p in self.programs)
        return Score(notes, bars, parts, STEPS_PER_QUARTER, timing="notated")


def excerpt(piece: str, rows: np.ndarray, bars: np.ndarray, programs: np.ndarray, most: int = MAX_BARS) -> Excerpt:
    """The first ``most`` bars of an encoded piece: rows (T, 6), bars (N, 13), programs (parts,) as ``EncodedPiece`` holds them."""
    upbeat = int(bars[0, BAR_COLUMN["flag"]] == 1 + BAR_FLAGS.index("upbeat"))
    table = bars[upbeat : upbeat + most].astype(np.int64)
    numerator, denominator = (int(table[0, BAR_COLUMN[n]]) for n in ("numerator", "denominator"))
    meter = (numerator, 2 ** (denominator - 1))
    nominal = 4 * STEPS_PER_QUARTER * meter[0] // meter[1]
    same = (table[:, BAR_COLUMN["numerator"]] == numerator) & (table[:, BAR_COLUMN["denominator"]] == denominator)
    lengths = table[:, BAR_COLUMN["length"]]
    regular = same & (lengths == nominal)
    low, high = np.searchsorted(rows[:, BAR], [upbeat, upbeat + len(table)])
    kept = np.array(rows[low:high, :5])
    kept[:, BAR] -= upbeat
    return Excerpt(piece, kept, meter, tuple(int(p) for p in programs), regular, lengths)


def window_places(part: Excerpt, bars: int, most: int = WINDOWS) -> list[int]:
    """First bars of up to ``most`` windows of ``bars`` regular bars each that hold notes, side by side, spread over the excerpt."""
    filled = np.bincount(part.rows[:, BAR], minlength=part.bars)[: part.bars] > 0
    places = [
        first
        for first in range(0, part.bars - bars + 1, bars)
        if part.regular[first : first + bars].all() and filled[first : first + bars].sum() * 2 >= bars
    ]
    if len(places) <= most:
        return places
    return [places[round(i * (len(places) - 1) / (most - 1))] for i in range(most)]


def shuffle_bars(part: Excerpt, rng: np.random.Generator) -> Excerpt:
    """The same bars in another order (notes go with the bar that they begin in); what no composer would write."""
    order = rng.permutation(part.bars)
    rows = part.rows.copy()
    rows[:, BAR] = np.argsort(order)[rows[:, BAR]]
    keys = [rows[:, column] for column in (PITCH, PART, POSITION, BAR)]
    return Excerpt(part.piece, rows[np.lexsort(keys)], part.meter, part.programs, part.regular[order], part.lengths[order])

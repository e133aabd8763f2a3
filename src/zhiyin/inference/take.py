"""One sequence on its way: which row is read next, what the graph is told, and what becomes of what it answers.

A take never looks at other takes, so that the same seed gives the same rows alone or in a batch. Nothing here runs a
graph.
"""

from __future__ import annotations

from collections import deque
from copy import copy, deepcopy

import numpy as np

from zhiyin.encoding.fields import (
    BAR_COLUMN,
    DURATIONS,
    END,
    MAX_BAR_STEP,
    MAX_PARTS,
    STEPS_PER_QUARTER,
    duration_class,
)
from zhiyin.encoding.layout import GIVEN, LOOKAHEAD, NO_PITCH, START, WRITTEN, given_step
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION, VELOCITY
from zhiyin.inference.masks import ANY_POSITION, NO_POSITION
from zhiyin.inference.request import Request
from zhiyin.measures.playability import two_hands

_FREE = np.full(6, -1, dtype=np.int64)  # nothing is forced
_PLACED = np.array([True, True, True, False, True, False])  # fields that places name
_BLOCK = 64  # rows of random numbers drawn at a time
_CHANGING = ("rows", "nats", "last", "last_pitch", "row", "position_index", "_owed", "_written", "_ready", "_chord", "_woven", "_due")


class Take:
    """A take in progress. ``rows``: what has been written or returned so far, lists of six (past rows not included)."""

    def __init__(self, request: Request) -> None:
        self.request = request
        count = len(request.bars)
        self.last_bar = count - 1
        self.end_bar = request.end_bar if request.end_bar >= 0 else self.last_bar
        self.rows: list[list[int]] = []
        self.nats: list[np.ndarray] = []  # of sampled rows
        self.done = False
        self.cursor = 0
        self.last = np.array([0, -1, -1, -1], dtype=np.int64)
        self.last_pitch = np.full(MAX_PARTS, NO_PITCH, dtype=np.int64)
        self.row = np.zeros(9, dtype=np.int64)
        self.row[6] = START
        self.position_index = np.full(count, NO_POSITION, dtype=np.int64)
        self.pitch_index = request.masks.pitch_index
        self.must_play = np.zeros_like(request.must_play)  # only once the last bar is open
        self._owed = request.must_play.copy()  # parts without a note in the last bar
        self._written: deque[list[int]] = deque([int(v) for v in r] for r in request.past)
        self._ready: deque[list[int]] = deque()  # given rows whose time has come
        self._given = 0
        self._in_bar = 0
        self._chord: list[int] = []  # pitches written at the last row's place in its part
        self._by_bar: dict[int, list[list[int]]] = {}
        self._source = np.full(count, -1, dtype=np.int64) if request.source is None else request.source
        self._room = request.bars[::-1, BAR_COLUMN["length"]].cumsum()[::-1]  # steps from each bar to the end
        self._random = np.random.Generator(np.random.PCG64(request.seed))
        self._uniform = np.zeros((0, 6), dtype=np.float32)
        self._drawn = 0
        self._bass_struck = False
        self._final_class = int(duration_class(request.final_steps)) if request.final_steps else -1
        self._place = 0
        self._following, self._stop = _following(_open_bars(request), count)
        self._woven: deque[list[int]] = deque([int(v) for v in r] for r in request.woven)
        self._close_given_parts()
        self._due: deque[tuple[int, ...]] = deque(tuple(d) for d in request.due.tolist())
        self.pitches: np.ndarray | None = None  # what the lead leaves of the next place's pitches, bool (128,)
        self._past_left = len(request.past)
        self._queue_given(LOOKAHEAD)
        if not self._past_left:
            self._queue_returns(request.first)
        self._open()

    def copy(self) -> Take:
        """A take that goes on by itself from here (what never changes is shared)."""
        other = copy(self)
        for name in _CHANGING:
            setattr(other, name, getattr(self, name).copy())
        other.must_play = other._owed if self.must_play is self._owed else self.must_play.copy()
        other._by_bar = {bar: rows.copy() for bar, rows in self._by_bar.items()}
        other._random = deepcopy(self._random)
        return other

    @property
    def samples(self) -> bool:
        """Whether the row that the graph writes now is used (no row is waiting to be read)."""
        return not (self._ready or self._written or self.done)

    def uniform(self) -> np.ndarray:
        """Six numbers in [0, 1) for the next sampled row."""
        if self._drawn >= len(self._uniform):
            self._uniform = self._random.random((_BLOCK, 6), dtype=np.float32)
            self._drawn = 0
        self._drawn += 1
        return self._uniform[self._drawn - 1]

    @property
    def force(self) -> np.ndarray:
        """Classes that the next sampled row must have, -1 = free. int64 (6,). Places name all but pitch and velocity."""
        places = self.request.places
        if not len(places) or not self.samples:
            return _FREE
        if self._place == len(places):
            return np.array([END, -1, -1, -1, -1, -1], dtype=np.int64)
        bar, position, part, duration, _ = places[self._place].tolist()
        return np.array([min(bar - self.cursor, MAX_BAR_STEP), position, part, -1, duration, -1], dtype=np.int64)

    def overdue(self, sampled: np.ndarray) -> np.ndarray | None:
        """What the next row must have (classes as in ``force``) where a sampled one would pass a place that is due, else None."""
        if not self._due or not self.samples:
            return None
        bar, position, part, row = self._due[0]
        wanted = self.request.masks.pitch[row]
        next_bar = len(self.request.bars) if int(sampled[0]) == END else self.cursor + int(sampled[0])
        place = (next_bar, int(sampled[1]), int(sampled[2]))
        if place < (bar, position, part) or (place == (bar, position, part) and wanted[int(sampled[3])]):
            return None
        cell = self.request.masks.pitch[self.pitch_index[bar, position // STEPS_PER_QUARTER, part]]
        return np.array([bar - self.cursor, position, part, self._nearest(part, wanted) if (cell & ~wanted).any() else -1, -1, -1], dtype=np.int64)

    def _nearest(self, part: int, wanted: np.ndarray) -> int:
        """The wanted pitch nearest to the last one of a part; of one that has none, the middle one."""
        pitches, last = np.flatnonzero(wanted), int(self.last_pitch[part])
        return int(pitches[len(pitches) // 2] if last == NO_PITCH else pitches[np.abs(pitches - last).argmin()])

    def reseed(self, turn: int) -> None:
        """Other random numbers from here on: the same for the same seed and turn."""
        self._random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.request.seed, turn])))
        self._drawn = len(self._uniform)

    @property
    def free(self) -> bool:
        """Whether the bar after the cursor's is to be sampled (it is not a return, and no row waits to be read)."""
        return self.samples and (self.cursor >= self.last_bar or self._source[self.cursor + 1] < 0)

    def closes(self, sampled: np.ndarray) -> bool:
        """Whether the cursor's bar has all its notes, where ``sampled`` is what the graph writes next."""
        if self._ready or self.done:
            return False
        if self._written:
            return self._written[0][BAR] > self.cursor
        return int(sampled[0]) != 0

    def legal_last(self) -> np.ndarray:
        """The last written row as the graph's order rule sees it: a part of one note at a time is done with its position."""
        part = self.last[2]
        if part >= 0 and self.request.single[part]:
            return np.array([self.last[0], self.last[1], part, 127], dtype=np.int64)
        return self.last

    def refuses(self, sampled: np.ndarray) -> bool:
        """Whether a sampled row would make a keyboard chord that two hands cannot take."""
        if not self.samples or sampled[0] != 0 or len(self._chord) < 2 or len(self.request.places):
            return False
        _, position, part, _ = self.last
        if sampled[1] != position or sampled[2] != part or not self.request.hands[part]:
            return False
        return not two_hands([*self._chord, int(sampled[3])])

    def astray(self, sampled: np.ndarray) -> bool:
        """Whether a sampled row belongs to a part that is given, before the next woven row: it is drawn again."""
        cells = self.request.cells
        if not self._woven or cells is None or not self.samples or len(self.request.places):
            return False
        bar = self.cursor + int(sampled[0])
        return self._comes_first(sampled) and not cells[bar, int(sampled[2])]

    def _comes_first(self, sampled: np.ndarray) -> bool:
        """Whether a sampled row stands before the next woven one (a note of a place also where they stand together)."""
        bar, following = self._bar_of(int(sampled[0])), self._woven[0]
        if int(sampled[0]) == END or bar > self._stop:
            return False
        if len(self.request.places):
            return (bar, int(sampled[1]), int(sampled[2])) <= tuple(following[:PITCH])
        return (bar, *(int(v) for v in sampled[1:4])) < tuple(following[: PITCH + 1])

    def _bar_of(self, step: int) -> int:
        """The bar that a step leads to: the next place's own, which may lie further on than a step can say."""
        places = self.request.places
        return int(places[self._place, 0]) if self._place < len(places) and step != END else self.cursor + step

    def _read_woven(self) -> None:
        """Reads the next woven row."""
        row = self._woven.popleft()
        self._close_given_parts()
        self._read_written(row, new=False)

    def _close_given_parts(self) -> None:
        """Where no woven row is left, only the cells that are written stay open."""
        cells = self.request.cells
        if self._woven or cells is None:
            return
        self._following, _ = _following(np.asarray(cells.any(axis=1)), len(cells))
        free = cells.copy()
        free[self._stop + 1 :] = cells.any(axis=0)
        self.pitch_index = self.pitch_index * free[:, None, :]

    def accept(self, sampled: np.ndarray, nats: np.ndarray) -> None:
        """Takes the graph's answer: moves on to the next row to read (a waiting one, or the one just written)."""
        if self.done:
            return
        if self._ready or self._written:
            self._read_waiting()
            return
        step = int(sampled[0])
        bar = self._bar_of(step)
        if step == END and len(self.request.places):
            self.done = True
            return
        if self._woven and (self.astray(sampled) or not self._comes_first(sampled)):
            self._read_woven()
            return
        if step == END or bar > self._stop:
            self.done = True
            return
        if self._queue_returns(bar):
            self._read_waiting()
            return
        row = [bar, *(int(v) for v in sampled[1:])]
        if bar == self.last_bar and self._final_class >= 0:
            row[DURATION] = self._final_class
        if self.request.reach is not None:
            row = self._cut(row, int(self.request.reach[bar]))
        if not self.request.keep_velocity:
            row[VELOCITY] = 0
        self.nats.append(nats)
        if len(self.request.places):
            self.nats[-1] = np.where(_PLACED, 0, nats)
            self._place += 1
        self._read_written(row)

    def _read_waiting(self) -> None:
        """Makes the first waiting row the one that is read next; given rows go before written ones."""
        if not self._ready:
            self._read_written(self._written.popleft())
            return
        row = self._ready.popleft()
        step = int(given_step(np.array(row[BAR] - self.cursor)))
        self.row[:] = (step, *row[1:], GIVEN, row[BAR], self.cursor)

    def _read_written(self, row: list[int], *, new: bool = True) -> None:
        """Makes a written row the one that is read next; one that is not ``new`` was there before."""
        bar = row[BAR]
        self.row[:] = (min(bar - self.cursor, MAX_BAR_STEP), *row[1:], WRITTEN, bar, bar)
        self._in_bar = self._in_bar + 1 if bar == self.cursor else 1
        moved = bar != self.cursor
        if (bar, row[POSITION], row[PART]) == (self.last[0], self.last[1], self.last[2]):
            self._chord.append(row[PITCH])
        else:
            self._chord = [row[PITCH]]
        self.cursor = bar
        self.last[:] = (bar, row[POSITION], row[PART], row[PITCH])
        self.last_pitch[row[PART]] = row[PITCH]
        while self._due and self._due[0][:3] <= (bar, row[POSITION], row[PART]):
            self._due.popleft()
        if self._past_left:
            self._past_left -= 1
            if not self._past_left:
                self._queue_returns(self.request.first)
        elif new:
            self.rows.append(row)
            self._by_bar.setdefault(bar, []).append(row)
        if bar == self.last_bar:
            self._owed[row[PART]] = False
            self._free_bass(row[PART])
        if moved:
            self._queue_given(bar + LOOKAHEAD)
        self._open()

    def _queue_given(self, bar: int) -> None:
        """Given rows up to ``bar`` wait to be read."""
        given = self.request.given
        while self._given < len(given) and given[self._given, BAR] <= bar:
            self._ready.append([int(v) for v in given[self._given]])
            self._given += 1

    def _queue_returns(self, bar: int) -> bool:
        """If ``bar`` returns an earlier one, the rows of it and of the returning bars after it wait to be read."""
        queued = False
        while bar <= self.last_bar and self._source[bar] >= 0:
            rows = self._by_bar.get(int(self._source[bar]), [])
            self._written.extend(self._moved(r, bar) for r in rows)
            queued = queued or bool(rows)
            bar += 1
        return queued

    def _moved(self, row: list[int], bar: int) -> list[int]:
        """A row brought to another bar, its duration cut at the end of the piece."""
        return self._cut([bar, *row[1:]], int(self._room[bar]))

    @staticmethod
    def _cut(row: list[int], reach: int) -> list[int]:
        """A row whose duration ends at most ``reach`` steps after its bar's onset."""
        room = reach - row[POSITION]
        if DURATIONS[row[DURATION]] > room:
            row[DURATION] = max(int(np.searchsorted(DURATIONS, room, side="right")) - 1, 0)
        return row

    def _open(self) -> None:
        """Opens the bars that the next row may lie in: the cursor's, if it is being written, and the one after it."""
        index, wanted = self.position_index, self.request.masks.position_index
        if len(self.request.places):
            self._open_place()
            return
        here, first = self.cursor, self.request.first
        index[max(here - 1, 0) : here + 2] = NO_POSITION
        full = self._in_bar >= self.request.max_rows_per_bar
        if here >= first and self._source[here] < 0 and not full and self.last[1] >= 0:
            index[here] = wanted[here]
        if here >= self.last_bar - 1:
            settled = here == self.last_bar and (full or self._source[here] >= 0)
            self.must_play = np.zeros_like(self._owed) if settled else self._owed
        following = int(self._following[first if (self.last[1] < 0 or here < first) else here + 1])
        if following <= self.last_bar:
            index[following] = wanted[following]

    def _open_place(self) -> None:
        """Opens the bar of the next place, and its pitches there."""
        if self._place == len(self.request.places):
            return
        bar, position, part, _, pitches = self.request.places[self._place].tolist()
        bar = min(bar, self.cursor + MAX_BAR_STEP)  # where the graph takes it to be
        self.position_index[bar] = ANY_POSITION
        table = self.request.masks.pitch
        if self.request.lead:
            self.pitches = self.request.lead(self._place, self.rows, table[pitches])
            pitches = len(table) - 1
        self.pitch_index = self.pitch_index.copy()
        self.pitch_index[bar, position // STEPS_PER_QUARTER, part] = pitches

    def _free_bass(self, part: int) -> None:
        """After its root in the last bar, the bass part may add the rest of the chord."""
        owner, row = self.request.masks.final_bass
        if part == owner and not self._bass_struck:
            self._bass_struck = True
            self.pitch_index = self.pitch_index.copy()
            self.pitch_index[self.last_bar, :, part] = row


def _open_bars(request: Request) -> np.ndarray | None:
    """Bars that hold new or woven rows: bool (N,); None where all from the first on do."""
    if request.cells is None:
        return None
    bars: np.ndarray = np.asarray(request.cells.any(axis=1))
    bars[request.woven[:, BAR]] = True
    return bars


def _following(open_bars: np.ndarray | None, count: int) -> tuple[np.ndarray, int]:
    """The first open bar at or after each, int (count + 1,) (past the last: the bar after it), and the last."""
    if open_bars is None:
        return np.arange(count + 1), count - 1
    rows = np.flatnonzero(open_bars)
    stop = int(rows[-1])
    return np.r_[rows, stop + 1][np.searchsorted(rows, np.arange(count + 1))], stop

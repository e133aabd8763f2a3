"""The musical surface: what the descriptors read, worked out once per piece from plain columns.

Pitched notes counted from the tonic, slices (stretches in which nothing begins or ends), the upper and the lower line,
beats and metrical levels. In played-in music notes that begin within ``TOGETHER`` of each other count as struck together, and
ends that overhang the next beginning by no more than ``OVERHANG`` are cut. Grace notes and notes of no duration are left out. Drums alone stand in for the struck notes
of rhythm and form; harmony and pitch of drums are nothing. Times are float64 ticks, exact for whole ticks.

Bounds: beats beyond ``metrical_grid.MAX_BEATS`` and bars beyond ``MAX_BARS`` are not looked at; all else is linear in the notes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from zhiyin.measures.distribution import mean, run_lengths, run_starts, steps
from zhiyin.measures.key import rank_keys
from zhiyin.measures.metrical_grid import MetricalGrid, metrical_grid

MAX_BARS = 8_192  # that form is looked for in
TOGETHER = 1 / 16  # quarters: 31 ms at 120
OVERHANG = 1 / 8  # quarters
_PLAYED = 0.2  # share of beginnings off eighths and twelfths of a quarter from which on music counts as played in
_BITS = 1 << np.arange(12)
_CHUNK = 8_192  # slices whose pitches are looked at together


@dataclass(frozen=True)
class Slices:
    """Stretches of constant sound. start, length: ticks (S,); degrees: how many notes sound of each degree above the tonic (S, 12);
    sounding: notes (S,); low, high: lowest and highest pitch (S,), -1 in silence.
    """

    start: np.ndarray
    length: np.ndarray
    degrees: np.ndarray
    sounding: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @cached_property
    def mask(self) -> np.ndarray:
        """The degrees that sound as the bits of one integer 0..4095, (S,)."""
        return (self.degrees > 0) @ _BITS


@dataclass(frozen=True)
class Surface:
    """The columns of a piece that descriptors read.

    onset, end: ticks; pitch, part, velocity: integers; all (notes,), pitched notes sorted by onset, part, pitch.
    struck, struck_end, struck_class: onsets, ends and pitch classes of the notes that rhythm and form read.
    bars: structured array of ``score.BAR``. ticks: per quarter. tonic, mode: the key that is found; scores (2, 12) from the tonic.
    """

    onset: np.ndarray
    end: np.ndarray
    pitch: np.ndarray
    part: np.ndarray
    velocity: np.ndarray
    struck: np.ndarray
    struck_end: np.ndarray
    struck_class: np.ndarray
    bars: np.ndarray
    ticks: int
    tonic: int
    mode: int
    scores: np.ndarray

    @cached_property
    def degree(self) -> np.ndarray:
        """Semitones of each note above the tonic, 0..11."""
        return (self.pitch - self.tonic) % 12

    @cached_property
    def slices(self) -> Slices:
        """Stretches of constant sound."""
        return _slices(self.onset, self.end, self.pitch, self.degree)

    @cached_property
    def _slice_of_onset(self) -> np.ndarray:
        return np.searchsorted(self.slices.start, self.onset)

    @cached_property
    def melody(self) -> np.ndarray:
        """Indices of the notes that begin as the highest that sounds (the skyline), one per onset."""
        return _firsts(self._slice_of_onset, self.pitch == self.slices.high[self._slice_of_onset])

    @cached_property
    def bass(self) -> np.ndarray:
        """Indices of the notes that begin as the lowest that sounds, one per onset."""
        return _firsts(self._slice_of_onset, self.pitch == self.slices.low[self._slice_of_onset])

    @cached_property
    def grid(self) -> MetricalGrid:
        """The metrical grid of the bars."""
        return metrical_grid(self.bars, self.ticks)

    @cached_property
    def _starts(self) -> np.ndarray:
        return run_starts(self.struck)

    @cached_property
    def times(self) -> np.ndarray:
        """Distinct onsets of the struck notes, ascending, (times,)."""
        return self.struck[self._starts]

    @cached_property
    def time_of(self) -> np.ndarray:
        """Index into ``times`` of each struck note."""
        return np.repeat(np.arange(len(self._starts)), run_lengths(self._starts, len(self.struck)))

    @cached_property
    def time_bar(self) -> np.ndarray:
        """Row of ``bars`` that each of ``times`` lies in."""
        return self.grid.bar_of(self.times)

    @cached_property
    def time_place(self) -> np.ndarray:
        """Ticks of each of ``times`` since its downbeat."""
        return self.grid.place(self.times, self.time_bar)

    @cached_property
    def time_level(self) -> np.ndarray:
        """Coarsest metrical level that each of ``times`` stands on, 0 .. LEVELS - 1."""
        return self.grid.level(self.time_place, self.time_bar)

    @cached_property
    def line(self) -> np.ndarray:
        """Indices into ``times`` of the melody (of drums alone: of all)."""
        return self.time_of[self.melody] if len(self.onset) else np.arange(len(self.times))

    @cached_property
    def ground(self) -> np.ndarray:
        """Indices into ``times`` of the bass (of drums alone: of all)."""
        return self.time_of[self.bass] if len(self.onset) else np.arange(len(self.times))

    @cached_property
    def struck_bar(self) -> np.ndarray:
        """Row of ``bars`` that each struck note begins in."""
        return self.time_bar[self.time_of]

    @cached_property
    def beat_edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Begins of the beats, with the end of the last (ticks, beats + 1), and the bar of each beat (beats,)."""
        return self.grid.beat_edges(float(self.end.max(initial=0)))

    @cached_property
    def beat_weights(self) -> np.ndarray:
        """Sounding time of each degree in each beat in quarters, float (beats, 12)."""
        return self.weights_between(self.beat_edges[0])

    def weights_between(self, edges: np.ndarray) -> np.ndarray:
        """Sounding time of each degree between neighbouring times, in quarters; float (edges - 1, 12)."""
        slices = self.slices
        if not len(slices.start):
            return np.zeros((len(edges) - 1, 12))
        some = slices.degrees > 0
        before = np.zeros((len(some) + 1, 12))
        np.cumsum(some * slices.length[:, None], axis=0, out=before[1:])
        at = np.clip(np.searchsorted(slices.start, edges, side="right") - 1, 0, len(some) - 1)
        inside = np.clip(edges - slices.start[at], 0, slices.length[at])
        return steps(before[at] + some[at] * inside[:, None]) / self.ticks


def read_surface(notes: np.ndarray, bars: np.ndarray, drums: np.ndarray, ticks_per_quarter: int) -> Surface:
    """The surface of a table of notes (``score.NOTE``, sorted) over bars (``score.BAR``). drums: bool (parts,)."""
    notes = notes[(notes["duration"] > 0) & ~notes["grace"]]
    beaten = drums[notes["part"]] if drums.any() else np.zeros(len(notes), dtype=bool)
    struck = notes[beaten] if beaten.all() else notes[:0]
    onset, end, pitch, part, velocity = _columns(notes[~beaten], ticks_per_quarter)
    tonic, mode, scores = _key(onset, end, pitch, ticks_per_quarter)
    columns = (onset, end, (pitch - tonic) % 12)
    if len(struck):
        begun, over, keys, *_ = _columns(struck, ticks_per_quarter)
        columns = (begun, over, keys % 12)
    return Surface(onset, end, pitch, part, velocity, *columns, bars, ticks_per_quarter, tonic, mode, scores)


def _columns(notes: np.ndarray, ticks: int) -> tuple[np.ndarray, ...]:
    """(onset, end, pitch, part, velocity), tidied where the music was played in."""
    begun, pitch = notes["onset"].astype(np.int64), notes["pitch"].astype(np.int64)
    onset, part, velocity = begun.astype(np.float64), notes["part"].astype(np.int64), notes["velocity"].astype(np.int64)
    end = onset + notes["duration"]
    if mean((begun * 8 % ticks != 0) & (begun * 12 % ticks != 0)) <= _PLAYED:
        return onset, end, pitch, part, velocity
    starts = np.append(True, steps(onset) > TOGETHER * ticks).nonzero()[0]
    groups = onset[starts]
    onset = np.repeat(groups, run_lengths(starts, len(onset)))
    last = groups[np.maximum(np.searchsorted(groups, end) - 1, 0)]  # the last beginning before each end
    end = np.where((last > onset) & (end - last <= OVERHANG * ticks), last, end)
    order = np.lexsort((pitch, part, onset))
    return onset[order], end[order], pitch[order], part[order], velocity[order]


def _key(onset: np.ndarray, end: np.ndarray, pitch: np.ndarray, ticks: int) -> tuple[int, int, np.ndarray]:
    if not len(pitch):
        return 0, 0, np.zeros((2, 12))
    weights = np.bincount(pitch % 12, weights=(end - onset) / ticks, minlength=12)
    last = onset[-1]
    return rank_keys(weights, bass=int(pitch[end > last].min()))


def _firsts(group: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Index of the first chosen entry of each group (groups ascending)."""
    at = chosen.nonzero()[0]
    return at[run_starts(group[at])]


def _slices(onset: np.ndarray, end: np.ndarray, pitch: np.ndarray, degree: np.ndarray) -> Slices:
    if not len(onset):
        none = np.zeros(0)
        return Slices(none, none, np.zeros((0, 12), np.int32), *(np.zeros(0, np.int64),) * 3)
    edges = np.sort(np.concatenate([onset, end]))
    edges = edges[run_starts(edges)]
    size = len(edges) - 1
    begun, over = np.searchsorted(edges, onset), np.searchsorted(edges, end)
    degrees = _counts(begun, over, degree, 0, size, 12)[0]
    low, high = np.full(size, -1), np.full(size, -1)
    used = np.flatnonzero(np.bincount(pitch, minlength=128))
    rank = np.zeros(128, dtype=np.int64)
    rank[used] = np.arange(len(used))
    carried = None
    for at in range(0, size, _CHUNK):
        counts, carried = _counts(begun, over, rank[pitch], at, min(at + _CHUNK, size), len(used), carried)
        some = counts > 0
        silent = ~some.any(axis=1)
        rows = slice(at, at + len(some))
        low[rows] = np.where(silent, -1, used[some.argmax(axis=1)])
        high[rows] = np.where(silent, -1, used[len(used) - 1 - some[:, ::-1].argmax(axis=1)])
    return Slices(edges[:-1], steps(edges), degrees, degrees.sum(axis=1), low, high)


def _counts(
    begun: np.ndarray, over: np.ndarray, kind: np.ndarray, low: int, high: int, kinds: int, carried: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Notes of each kind that sound in slices low..high-1, int32 (slices, kinds), and the last row for the next chunk."""
    change = np.zeros((high - low) * kinds, dtype=np.int64)
    for edge, sign in ((begun, 1), (over, -1)):
        at = (edge - low) * kinds + kind
        at = at[(edge >= low) & (edge < high)]
        change += sign * np.bincount(at, minlength=len(change))
    table = change.reshape(-1, kinds)
    if carried is not None:
        table[0] += carried
    table = np.cumsum(table, axis=0, dtype=np.int32)
    return table, table[-1]

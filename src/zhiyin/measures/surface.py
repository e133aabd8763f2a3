"""The musical surface: what the descriptors read, worked out once per piece from plain columns.

Pitched notes counted from the tonic, slices (stretches in which nothing begins or ends), the upper and the lower line,
beats and metrical levels. Grace notes and notes of no duration are left out. Drums alone stand in for the struck notes
of rhythm and form; harmony and pitch of drums are nothing. Times are float64 ticks, exact for whole ticks.

Bounds: beats beyond ``MAX_BEATS`` and bars beyond ``MAX_BARS`` are not looked at; all else is linear in the notes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from zhiyin.measures.key import rank_keys

MAX_BEATS = 32_768
MAX_BARS = 8_192
LEVELS = 6  # bar, half bar, beat, and three divisions of the beat
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
        return (self.degrees > 0) @ (1 << np.arange(12))


@dataclass(frozen=True)
class Surface:
    """The columns of a piece that descriptors read.

    onset, end: ticks; pitch, part: integers; all (notes,), pitched notes sorted by onset, part, pitch.
    struck, struck_end, struck_class: onsets, ends and pitch classes of the notes that rhythm and form read.
    bars: structured array of ``score.BAR``. ticks: per quarter. tonic, mode: the key that is found; scores (2, 12) from the tonic.
    """

    onset: np.ndarray
    end: np.ndarray
    pitch: np.ndarray
    part: np.ndarray
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
    def times(self) -> np.ndarray:
        """Distinct onsets of the struck notes, ascending."""
        return _distinct(self.struck)

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
    def levels(self) -> tuple[np.ndarray, np.ndarray]:
        """Metrical levels of each bar: their lengths in ticks and their weights 0, -1 …; both float (bars, LEVELS)."""
        return _levels(self.bars, self.ticks)

    @property
    def beat(self) -> np.ndarray:
        """Length of each bar's beat in ticks (dotted in compound meters)."""
        return self.levels[0][:, 2]

    @cached_property
    def line(self) -> np.ndarray:
        """Distinct onsets of the melody (of drums alone: of all)."""
        return self.onset[self.melody] if len(self.onset) else self.times

    def bar_of(self, time: np.ndarray) -> np.ndarray:
        """Row of ``bars`` that each time lies in."""
        return np.maximum(np.searchsorted(self.bars["onset"], time, side="right") - 1, 0)

    def place(self, time: np.ndarray, bar: np.ndarray) -> np.ndarray:
        """Ticks since the downbeat; in an upbeat counted as if its bar were whole, after the last bar as if it went on."""
        place = time - self.bars["onset"][bar]
        whole = self.levels[0][:, 0]
        if self.bars["number"][0] == 0:
            place = place + np.where(bar == 0, np.maximum(whole[0] - self.bars["duration"][0], 0), 0)
        return place % whole[bar]

    @cached_property
    def beat_edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Begins of the beats, with the end of the last (ticks, beats + 1), and the bar of each beat (beats,)."""
        return _beat_edges(self.bars, self.beat, float(self.end.max(initial=0)))

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
        return np.diff(before[at] + some[at] * inside[:, None], axis=0) / self.ticks


def read_surface(notes: np.ndarray, bars: np.ndarray, drums: np.ndarray, ticks_per_quarter: int) -> Surface:
    """The surface of a table of notes (``score.NOTE``, sorted) over bars (``score.BAR``). drums: bool (parts,)."""
    notes = notes[(notes["duration"] > 0) & ~notes["grace"]]
    if drums.any():
        beaten = drums[notes["part"]]
        struck, notes = notes[beaten], notes[~beaten]
    pitch = notes["pitch"].astype(np.int64)
    onset = notes["onset"].astype(np.float64)
    end = onset + notes["duration"]
    tonic, mode, scores = _key(onset, end, pitch, ticks_per_quarter)
    columns = (onset, end, (pitch - tonic) % 12)
    if not len(notes) and drums.any():
        begun = struck["onset"].astype(np.float64)
        columns = (begun, begun + struck["duration"], struck["pitch"].astype(np.int64) % 12)
    part = notes["part"].astype(np.int64)
    return Surface(onset, end, pitch, part, *columns, bars, ticks_per_quarter, tonic, mode, scores)


def _key(onset: np.ndarray, end: np.ndarray, pitch: np.ndarray, ticks: int) -> tuple[int, int, np.ndarray]:
    if not len(pitch):
        return 0, 0, np.zeros((2, 12))
    weights = np.bincount(pitch % 12, weights=(end - onset) / ticks, minlength=12)
    last = onset[-1]
    return rank_keys(weights, bass=int(pitch[end > last].min()))


def _distinct(ordered: np.ndarray) -> np.ndarray:
    """Distinct values of an ascending array."""
    return ordered[np.r_[True, ordered[1:] != ordered[:-1]]] if len(ordered) else ordered


def _firsts(group: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Index of the first chosen entry of each group (groups ascending)."""
    at = np.flatnonzero(chosen)
    of = group[at]
    return at[np.r_[True, of[1:] != of[:-1]]] if len(at) else at


def _slices(onset: np.ndarray, end: np.ndarray, pitch: np.ndarray, degree: np.ndarray) -> Slices:
    if not len(onset):
        none = np.zeros(0)
        return Slices(none, none, np.zeros((0, 12), np.int32), *(np.zeros(0, np.int64),) * 3)
    edges = _distinct(np.sort(np.concatenate([onset, end])))
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
    return Slices(edges[:-1], np.diff(edges), degrees, degrees.sum(axis=1), low, high)


def _counts(
    begun: np.ndarray, over: np.ndarray, kind: np.ndarray, low: int, high: int, kinds: int, carried: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Notes of each kind that sound in slices low..high-1, int32 (slices, kinds), and the last row for the next chunk."""
    change = np.zeros((high - low) * kinds, dtype=np.int64)
    for edge, sign in ((begun, 1), (over, -1)):
        here = (edge >= low) & (edge < high)
        change += sign * np.bincount((edge[here] - low) * kinds + kind[here], minlength=len(change))
    table = change.reshape(-1, kinds)
    if carried is not None:
        table[0] += carried
    table = np.cumsum(table, axis=0, dtype=np.int32)
    return table, table[-1]


def beats_in_bar(bars: np.ndarray) -> np.ndarray:
    """Beats of each bar's meter: a third of the numerator in compound meters (6, 9, 12 …), else the numerator."""
    numerator = np.maximum(bars["meter_numerator"].astype(np.int64), 1)
    return np.where((numerator > 3) & (numerator % 3 == 0), numerator // 3, numerator)


def _levels(bars: np.ndarray, ticks: int) -> tuple[np.ndarray, np.ndarray]:
    numerator = np.maximum(bars["meter_numerator"].astype(np.float64), 1)
    whole = 4.0 * ticks * numerator / np.maximum(bars["meter_denominator"], 1)
    beats = beats_in_bar(bars)
    beat = whole / beats
    halved = (beats == 4).astype(np.float64)
    first = np.where(beats != numerator, 3.0, 2.0)
    lengths = np.stack([whole, np.where(halved > 0, whole / 2, whole), beat, beat / first, beat / first / 2, beat / first / 4], axis=1)
    one = (beats > 1).astype(np.float64)
    weights = -np.stack([0 * halved, halved, halved + one, halved + one + 1, halved + one + 2, halved + one + 3], axis=1)
    return lengths, weights


def _beat_edges(bars: np.ndarray, beat: np.ndarray, end: float) -> tuple[np.ndarray, np.ndarray]:
    bars, beat = bars[:MAX_BEATS], beat[:MAX_BEATS]
    onset = bars["onset"].astype(np.float64)
    stop = onset + bars["duration"]
    stop[-1] = max(stop[-1], end) if len(bars) < MAX_BEATS else stop[-1]
    count = np.clip(np.ceil((stop - onset) / beat - 1e-9), 1, MAX_BEATS).astype(np.int64)
    ends = np.cumsum(count)
    bar = np.repeat(np.arange(len(bars))[: 1 + int(np.searchsorted(ends, MAX_BEATS))], count[: 1 + int(np.searchsorted(ends, MAX_BEATS))])
    bar = bar[:MAX_BEATS]
    within = np.arange(len(bar)) - (ends - count)[bar]
    begins = onset[bar] + within * beat[bar]
    last = min(stop[bar[-1]], begins[-1] + beat[bar[-1]])
    return np.r_[begins, last], bar

"""The metrical grid of a bar table: levels with their lengths and weights, places in the bar, beats.

Levels are the bar, its half in bars of four beats, the beat, and three divisions of it (thirds first in compound meters), weighted
0, -1, -2 … as by Longuet-Higgins & Lee 1984. Times are float64 ticks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

LEVELS = 6
MAX_BEATS = 32_768


@dataclass(frozen=True)
class MetricalGrid:
    """Bars with their metrical levels. onset, length: ticks (bars,); levels, weights: (bars, LEVELS), levels in ticks;
    beats: per bar of the meter (bars,); upbeat: whether the first bar is one; ticks: per quarter.
    """

    onset: np.ndarray
    length: np.ndarray
    levels: np.ndarray
    weights: np.ndarray
    beats: np.ndarray
    upbeat: bool
    ticks: int

    @cached_property
    def whole(self) -> np.ndarray:
        """Length of each bar by its meter, ticks (bars,)."""
        return self.levels[:, 0].copy()

    @cached_property
    def beat(self) -> np.ndarray:
        """Length of each bar's beat in ticks (dotted in compound meters), (bars,)."""
        return self.levels[:, 2].copy()

    @property
    def first(self) -> int:
        """Row of the first bar that is no upbeat (0 where there is no other)."""
        return int(self.upbeat and len(self.onset) > 1)

    @cached_property
    def places(self) -> np.ndarray:
        """How many places of each level (and of no coarser one) the bars hold, float (LEVELS,)."""
        through = (self.length[:, None] / self.levels).sum(axis=0)
        through[1:] -= through[:-1].copy()
        return through

    def bar_of(self, time: np.ndarray) -> np.ndarray:
        """Row of the bar that each time lies in; the last bar's for later times."""
        return np.maximum(self.onset.searchsorted(time, side="right") - 1, 0)

    def place(self, time: np.ndarray, bar: np.ndarray) -> np.ndarray:
        """Ticks since the downbeat; in an upbeat counted as if its bar were whole, after the last bar as if it went on."""
        place = time - self.onset[bar]
        if self.upbeat:
            place[bar == 0] += max(self.whole[0] - self.length[0], 0)
        return place % self.whole[bar]

    def level(self, place: np.ndarray, bar: np.ndarray) -> np.ndarray:
        """Coarsest level that each place stands on, within 1/24 quarter; the finest for what stands on none."""
        unit = self.levels[bar]
        steps = place[:, None] / unit
        near = np.abs(steps - np.rint(steps)) * unit <= self.ticks / 24
        near[:, -1] = True
        return near.argmax(axis=1)

    def beat_edges(self, end: float) -> tuple[np.ndarray, np.ndarray]:
        """Begins of at most MAX_BEATS beats, with the end of the last (ticks), and the bar of each; the last bar goes on to ``end``."""
        onset, beat = self.onset[:MAX_BEATS], self.beat[:MAX_BEATS]
        stop = onset + self.length[:MAX_BEATS]
        if len(self.onset) <= MAX_BEATS:
            stop[-1] = max(stop[-1], end)
        count = np.clip(np.ceil((stop - onset) / beat - 1e-9), 1, MAX_BEATS).astype(np.int64)
        ends = np.cumsum(count)
        rows = 1 + int(np.searchsorted(ends, MAX_BEATS))
        bar = np.repeat(np.arange(len(count[:rows])), count[:rows])[:MAX_BEATS]
        begins = onset[bar] + (np.arange(len(bar)) - (ends - count)[bar]) * beat[bar]
        return np.append(begins, min(stop[bar[-1]], begins[-1] + beat[bar[-1]])), bar


def metrical_grid(bars: np.ndarray, ticks: int) -> MetricalGrid:
    """The grid of a bar table (``score.BAR``). Compound are the meters of 6, 9, 12 …: their beat is three units long."""
    numerator = np.maximum(bars["meter_numerator"].astype(np.int64), 1)
    whole = 4.0 * ticks * numerator / np.maximum(bars["meter_denominator"], 1)
    compound = (numerator > 3) & (numerator % 3 == 0)
    beats = np.where(compound, numerator // 3, numerator)
    halved, several = beats == 4, beats > 1
    beat = whole / beats
    first = beat / np.where(compound, 3, 2)
    levels = np.empty((len(bars), LEVELS))
    for column, values in enumerate((whole, np.where(halved, whole / 2, whole), beat, first, first / 2, first / 4)):
        levels[:, column] = values
    weights = np.zeros((len(bars), LEVELS))
    weights[:, 1:] -= halved[:, None]
    weights[:, 2:] -= several[:, None]
    weights[:, 3:] -= np.arange(1, 4)
    onset, length = bars["onset"].astype(np.float64), bars["duration"].astype(np.float64)
    return MetricalGrid(onset, length, levels, weights, beats, bool(bars["number"][0] == 0), ticks)

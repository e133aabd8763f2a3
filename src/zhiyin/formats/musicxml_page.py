"""A score on the page's grid: onsets, ends and bars in ticks of ``notation.RESOLUTION``, and its bar lines.

Rounds what no written value holds, and adds bars where notes sound past the last one. Knows nothing about voices.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from zhiyin.formats import musicxml_marks as words
from zhiyin.formats.meters import with_written_meters
from zhiyin.formats.notation import RESOLUTION, STEP, UNIT
from zhiyin.score.score import BAR, Score

_BAR_GRID = 2 * UNIT  # bars begin on 64ths


@dataclass(frozen=True)
class Page:
    """A score and its times: ``onset`` and ``end`` (notes,) and ``bars`` (bars + 1,) in ticks of RESOLUTION."""

    score: Score
    onset: np.ndarray
    end: np.ndarray
    bars: np.ndarray
    divisions: int

    def ticks(self, onset: int) -> int:
        """A time of the score on the page, on the file's grid."""
        grid = RESOLUTION // self.divisions
        return round(onset * self.divisions / self.score.ticks_per_quarter) * grid

    def drum_keys(self, part: int) -> list[int]:
        """General MIDI drum keys that a part plays (at least one)."""
        notes = self.score.notes
        return [int(k) for k in np.unique(notes["pitch"][notes["part"] == part])] or [36]


def page_of(score: Score) -> Page:
    """Puts a score on the page's grid and adds bars where notes sound past the last one; every meter is one that MusicXML can say."""
    score = with_written_meters(_with_bars_to_end(score), "MusicXML")
    scale = RESOLUTION / score.ticks_per_quarter
    notes = score.notes
    starts = notes["onset"].astype(np.int64)
    times = np.concatenate([starts, starts + notes["duration"]]).astype(np.float64) * scale
    times = _on_grid(times)
    onset, end = times[: len(notes)], times[len(notes) :]
    house = not (times % STEP).any()
    end = np.maximum(end, onset + np.where(notes["grace"], 0, STEP if house else UNIT))
    edges = np.r_[score.bars["onset"].astype(np.int64), int(score.bars["onset"][-1]) + int(score.bars["duration"][-1])]
    edges = np.floor(edges * scale / _BAR_GRID + 0.5).astype(np.int64)
    edges = np.maximum.accumulate(edges + 0) * _BAR_GRID
    for i in range(1, len(edges)):
        edges[i] = max(edges[i], edges[i - 1] + _BAR_GRID)
    house = house and not (edges % STEP).any()
    return Page(score, onset, end, edges, 24 if house else RESOLUTION)


def _with_bars_to_end(score: Score) -> Score:
    bars = score.bars
    last = bars[-1]
    end = int((score.notes["onset"] + score.notes["duration"]).max()) if len(score.notes) else 0
    start = int(last["onset"]) + int(last["duration"])
    if end <= start:
        return score
    size = max(1, round(4 * score.ticks_per_quarter * int(last["meter_numerator"]) / int(last["meter_denominator"])))
    count = -((start - end) // size)
    more = np.repeat(bars[-1:], count).astype(BAR)
    more["onset"], more["duration"] = start + size * np.arange(count), size
    more["number"] = int(last["number"]) + 1 + np.arange(count)
    more["tempo_qpm"] = 0
    return score.replace(bars=np.concatenate([bars, more]))


def _on_grid(times: np.ndarray) -> np.ndarray:
    """Rounds times that no written division holds to 1/24 quarter; all of them when the music was not notated."""
    whole = np.floor(times + 0.5).astype(np.int64)
    fine = np.zeros(len(whole), dtype=bool)
    for grid in (UNIT, STEP, RESOLUTION // 20, RESOLUTION // 28, RESOLUTION // 36):
        fine |= (whole % grid == 0) & (np.abs(times - whole) < 1e-6)
    coarse = np.floor(times / STEP + 0.5).astype(np.int64) * STEP
    return np.where(fine, whole, coarse) if len(fine) and fine.mean() > 0.98 else coarse


def barlines(page: Page) -> tuple[dict[int, str], dict[int, str]]:
    """Left and right bar lines by bar, as XML."""
    edges = page.bars
    count = len(edges) - 1
    left: dict[int, dict[str, Any]] = defaultdict(dict)
    right: dict[int, dict[str, Any]] = defaultdict(dict)
    right[count - 1]["style"] = "light-heavy"
    for mark in page.score.marks:
        edge = int(np.argmin(np.abs(edges - page.ticks(mark.onset))))
        if mark.kind == "repeat" and mark.value.startswith("start") and edge < count:
            left[edge].update(style="heavy-light", repeat=("forward", 0))
        elif mark.kind == "repeat" and mark.value.startswith("end") and edge > 0:
            times = int(mark.value.partition(":")[2] or 2)
            right[edge - 1].update(style="light-heavy", repeat=("backward", times))
        elif mark.kind == "ending" and edge < count:
            close = int(np.argmin(np.abs(edges - page.ticks(max(mark.end, mark.onset + 1)))))
            left[edge]["ending"] = (mark.value, "start")
            right[max(close - 1, edge)]["ending"] = (mark.value, "discontinue")
        elif mark.kind == "barline" and edge > 0 and "repeat" not in right[edge - 1]:
            right[edge - 1]["style"] = "light-heavy" if mark.value == "final" else "light-light"
    for line in right.values():
        if "ending" in line and "repeat" in line:
            line["ending"] = (line["ending"][0], "stop")
    return ({k: words.barline("left", **v) + "\n" for k, v in left.items()},
            {k: words.barline("right", **v) + "\n" for k, v in right.items()})  # fmt: skip

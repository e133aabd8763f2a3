"""The calibrated scale: how large the best passage's score is in human pieces that the index does not hold.

Per style and length bin (line notes of the piece) the sorted scores are kept as percentiles with their n. A cell with fewer than
ENOUGH pieces is pooled: to the parent style in the same bin, then to all styles in the bin, then to all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zhiyin.errors import InputError

ENOUGH = 200  # pieces that a cell needs to speak for itself
BIN_EDGES = (100, 200, 400, 800, 1600, 3200)  # notes of a piece (pitched): bin 0 is below 100, bin 6 from 3200 on
QUANTILES = (*range(0, 90, 5), *range(90, 100), 99.5, 99.9, 100.0)
FLOOR_NOTES, FLOOR_BARS, FLOOR_INTERVALS = 24, 4, 4  # verbatim: flagged whatever the percentile says
ALL = ""


@dataclass(frozen=True)
class Verdict:
    """What the scale says of a piece. percentile: share (0..100) of human pieces whose closest passage scores less.

    level: "clear", "close" (over the 95th percentile) or "copied" (over the 99th, or the absolute floor). n: human pieces
    compared with; bin: their length; pooled_from: the style asked for where its own cell was too small ("" = its own).
    """

    percentile: float
    threshold_p95: float
    threshold_p99: float
    level: str
    n: int
    bin: str
    pooled_from: str
    score: float = 0.0
    style: str = ALL
    floor: bool = False


def bin_of(notes: int) -> int:
    """The length bin of a piece with so many pitched notes."""
    return int(np.searchsorted(BIN_EDGES, notes, side="right"))


def bin_name(number: int) -> str:
    """The bin in words."""
    if number < 0:
        return "any length"
    low = BIN_EDGES[number - 1] if number else 0
    return f"{low}..{BIN_EDGES[number] - 1} notes" if number < len(BIN_EDGES) else f"{low} notes or more"


@dataclass(frozen=True)
class Scale:
    """Percentiles by (style, bin). cells: (style, bin) -> (n, scores at QUANTILES); style "" = all, bin -1 = all lengths."""

    cells: Mapping[tuple[str, int], tuple[int, tuple[float, ...]]]
    parents: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def measured(
        cls, scores: Sequence[float], notes: Sequence[int], styles: Sequence[str], parents: Mapping[str, str], about: Mapping[str, Any]
    ) -> Scale:
        """From the scores of human pieces; ``parents``: style -> the style it is pooled to."""
        held: dict[tuple[str, int], list[float]] = {}
        for score, count, style in zip(scores, notes, styles, strict=True):
            for name in _ancestry(style, parents):
                for place in (bin_of(int(count)), -1):
                    held.setdefault((name, place), []).append(float(score))
        cells = {k: (len(v), tuple(round(float(x), 2) for x in np.percentile(v, QUANTILES))) for k, v in sorted(held.items()) if len(v) >= ENOUGH or k == (ALL, -1)}
        if not cells:
            raise InputError("Nothing to calibrate on", expected="scores of human pieces", received="none")
        return cls(cells, {k: v for k, v in parents.items() if v}, dict(about))

    def cell(self, notes: int, style: str) -> tuple[str, int]:
        """The narrowest cell with enough pieces: the style's own, its parents', all styles of that length, all."""
        place = bin_of(notes)
        for name in _ancestry(style, self.parents):
            if (name, place) in self.cells:
                return name, place
        return ALL, -1

    def verdict(self, passages: Sequence[Any], notes: int, style: str) -> Verdict:
        """Judges the best of ``passages`` (as ``Index.passages`` gives them) of a piece of so many pitched notes."""
        score = max((p.score for p in passages), default=0.0)
        name, place = self.cell(notes, style)
        n, values = self.cells[name, place]
        p95, p99 = (float(np.interp(q, QUANTILES, values)) for q in (95, 99))
        floor = any(is_floor(p) for p in passages)
        level = "copied" if floor or score > p99 else "close" if score > p95 else "clear"
        percentile = _percentile(values, score)
        return Verdict(percentile, p95, p99, level, n, bin_name(place), style if name != style else "", score, name, floor)

    def table(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {"cells": [[*k, n, list(v)] for k, (n, v) in self.cells.items()], "parents": dict(self.parents), "about": dict(self.about)}

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Scale:
        """Back from ``table()``; raises InputError where it is none."""
        try:
            cells = {(str(s), int(b)): (int(n), tuple(float(x) for x in v)) for s, b, n, v in table["cells"]}
            if (ALL, -1) not in cells or any(len(v) != len(QUANTILES) for _, v in cells.values()):
                raise ValueError("percentiles are missing")
            return cls(cells, {str(k): str(v) for k, v in table["parents"].items()}, dict(table["about"]))
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise InputError("The scale of the originality index is damaged", expected="cells of percentiles", received=str(problem)) from None


def is_floor(passage: Any) -> bool:
    """The absolute floor: at least 24 notes and 4 bars verbatim (nothing changed) with 4 different intervals."""
    bars = passage.source_last_bar - passage.source_first_bar + 1
    return passage.changed == 0 and passage.notes >= FLOOR_NOTES and bars >= FLOOR_BARS and passage.intervals >= FLOOR_INTERVALS


def _percentile(values: Sequence[float], score: float) -> float:
    if score <= values[0]:
        return 0.0
    return float(np.interp(score, values, QUANTILES)) if score < values[-1] else 100.0


def _ancestry(style: str, parents: Mapping[str, str]) -> list[str]:
    """The style, its parents, all styles."""
    found: list[str] = []
    while style and style not in found:
        found.append(style)
        style = parents.get(style, "")
    return [*found, ALL]

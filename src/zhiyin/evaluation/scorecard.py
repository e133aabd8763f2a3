"""``zhiyin judge``: a scorecard of a piece against human pieces of a style. Percentiles, not marks: it says how usual, not how good.

No benchmark's tester and none of the generator's own ranking (``inference/judge.py``) is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.encoding import encode
from zhiyin.errors import InputError
from zhiyin.evaluation.figures import Figure, figure_table, measure_figures, whole, windows_of
from zhiyin.evaluation.style_reference import ALL, LEVELS, StyleReference, open_style, percentile
from zhiyin.formats.catalog import load
from zhiyin.inference.original import style_of_record
from zhiyin.score import Score

LEAST_NOTES = 8
TOLD = ("statistics", "playability", "voice leading", "cadence and return")  # groups that are printed whole; of the others what is most unusual
MOST_UNUSUAL = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One figure of a piece beside the style's. percentile: share of its pieces below, ties half (nan: not defined for one of them)."""

    figure: Figure
    value: float
    percentile: float
    low: float  # 5 % of the style's pieces lie below
    middle: float  # its median
    high: float  # 95 % lie below
    mean: float

    @property
    def outside(self) -> bool:
        """Whether it lies outside the middle 90 % of the style's pieces."""
        return self.percentile < 0.05 or self.percentile > 0.95

    def as_dict(self) -> dict[str, Any]:
        """Plain values; what is not defined is None."""
        numbers = {n: _plain(getattr(self, n)) for n in ("value", "percentile", "low", "middle", "high", "mean")}
        return {"name": self.figure.name, "group": self.figure.group, "unit": self.figure.unit, **numbers}


@dataclass(frozen=True)
class Scorecard:
    """A piece against a style. outside: share of its figures outside the style's middle 90 %; more_unusual_than: share of the style's
    own pieces that have fewer of them (half = as usual as they are among themselves).
    """

    style: str
    pieces: int
    bars: int
    windows: int
    entries: tuple[Entry, ...]
    outside: float
    more_unusual_than: float

    def group(self, name: str) -> tuple[Entry, ...]:
        """The entries under one heading."""
        return tuple(e for e in self.entries if e.figure.group == name)

    def most_unusual(self, most: int = MOST_UNUSUAL) -> tuple[Entry, ...]:
        """Entries of the groups that are not printed whole, outside the middle 90 %, farthest out first (in spans of that middle)."""
        out = [e for e in self.entries if e.outside and e.figure.group not in TOLD]
        return tuple(sorted(out, key=lambda e: -_distance(e))[:most])

    def line(self) -> str:
        """The whole in a line."""
        count = sum(e.outside for e in self.entries)
        known = sum(np.isfinite(e.percentile) for e in self.entries)
        return (
            f"more unusual than {100 * self.more_unusual_than:.0f} % of {self.pieces} human pieces ({self.style}): "
            f"{count} of {known} figures outside their middle 90 %"
        )

    def __str__(self) -> str:
        lines = [self.line(), f"bars: {self.bars}, in {self.windows} windows"]
        for group in TOLD:
            told = [e for e in self.group(group) if np.isfinite(e.value) and (e.value or e.high)]
            lines += ["", f"{group:<44}{'piece':>9}{'percentile':>12}   5 % … median … 95 % of the style" if told else f"{group}: nothing found"]
            lines += [_row(e) for e in told]
        unusual = self.most_unusual()
        lines += ["", "most unusual of the rest" if unusual else "nothing else is unusual"]
        return "\n".join([*lines, *(_row(e) for e in unusual)])

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "style": self.style, "pieces": self.pieces, "bars": self.bars, "windows": self.windows, "outside": round(self.outside, 4),
            "more_unusual_than": round(self.more_unusual_than, 4), "figures": [e.as_dict() for e in self.entries],
        }  # fmt: skip


def judge(music: Score | str | Path, *, reference: str = "") -> Scorecard:
    """The scorecard of a score or file against human pieces of a style.

    reference: a style (``zhiyin judge --styles`` lists them) or "all"; empty = the style that the file's record names where there
    is a reference for it, else "all". InputError for an unknown style or a piece of fewer than eight notes.
    """
    score = music if isinstance(music, Score) else load(music)
    if len(score.notes) < LEAST_NOTES:
        raise InputError("Too little music to judge", expected=f"{LEAST_NOTES} notes", received=f"{len(score.notes)}")
    style = open_style(reference or ("" if isinstance(music, Score) else _recorded_style(Path(music))))
    part = whole(encode(score)[0])
    if not len(part.rows):
        raise InputError("Too little music to judge", expected="notes after the upbeat", received="none")
    return scorecard(measure_figures(part), style, bars=part.bars, windows=len(windows_of(part)))


def scorecard(figures: np.ndarray, style: StyleReference, *, bars: int, windows: int) -> Scorecard:
    """The scorecard of measured figures (``measure_figures``)."""
    five, half, most = (int(np.argmin(np.abs(LEVELS - level))) for level in (0.05, 0.5, 0.95))
    percentiles = style.percentiles(figures)
    columns = zip(figure_table(), figures, percentiles, style.quantiles, style.means)
    entries = tuple(Entry(f, float(v), float(p), float(q[five]), float(q[half]), float(q[most]), float(m)) for f, v, p, q, m in columns)
    outside = style.unusual_share(percentiles)
    return Scorecard(style.style, style.pieces, bars, windows, entries, outside, percentile(style.unusual, outside))


def _recorded_style(path: Path) -> str:
    """The style that a file's record names, "" where it names none or there is no reference for it."""
    style = style_of_record(path)
    try:
        return open_style(style).style
    except InputError:
        return ALL


def _distance(entry: Entry) -> float:
    span = max(entry.high - entry.low, 1e-6)
    return max(entry.low - entry.value, entry.value - entry.high) / span


def _row(entry: Entry) -> str:
    mark = " *" if entry.outside else ""
    share = "" if np.isnan(entry.percentile) else f"{100 * entry.percentile:.0f} %"
    spread = "" if np.isnan(entry.low) else f"{_short(entry.low)} … {_short(entry.middle)} … {_short(entry.high)}"
    return f"  {entry.figure.text:<42}{_short(entry.value):>9}{share:>12}   {spread}{mark}"


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _plain(value: float) -> float | None:
    return round(value, 5) if np.isfinite(value) else None


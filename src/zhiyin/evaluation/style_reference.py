"""What human pieces of a style are like: quantiles of every figure of a scorecard, per style. Aggregates only, no piece in it.

Shipped as ``zhiyin/data/style_reference.npz``, built by ``tools/make_style_reference.py`` from the training split of a corpus.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from zhiyin.errors import InputError, near_names
from zhiyin.evaluation.figures import figure_table

LEVELS = np.round([0.01, 0.025, 0.05, *np.arange(0.1, 0.91, 0.05), 0.95, 0.975, 0.99], 3)
MIDDLE = (0.05, 0.95)  # what lies outside is unusual
FOLDS = 5
LEAST_PIECES = 30  # of a style, to be a reference
ALL = "all"


@dataclass(frozen=True)
class StyleReference:
    """One style. quantiles: float16 (figures, levels), nan where no piece has the figure; means: float32 (figures,);
    unusual: float16 (levels,), quantiles of the share of a piece's figures that lie outside the middle 90 %.
    """

    style: str
    pieces: int
    quantiles: np.ndarray
    means: np.ndarray
    unusual: np.ndarray
    about: Mapping[str, Any]

    def percentiles(self, figures: np.ndarray) -> np.ndarray:
        """Share of the style's pieces below each figure (ties count half), 0..1, float (figures,); nan where not defined."""
        return np.array([percentile(q, v) for q, v in zip(self.quantiles, figures)])

    def unusual_share(self, percentiles: np.ndarray) -> float:
        """Share of the defined figures that lie outside the middle 90 %."""
        known = percentiles[np.isfinite(percentiles)]
        return float(((known < MIDDLE[0]) | (known > MIDDLE[1])).mean())


def percentile(quantiles: np.ndarray, value: float) -> float:
    """Share below ``value`` (ties half) read off quantiles at ``LEVELS``; beyond the ends, half of what lies there."""
    if not (np.isfinite(value) and np.isfinite(quantiles).all()):
        return np.nan
    value = float(np.float16(value))  # as the quantiles are rounded
    left, right = np.searchsorted(quantiles, value, "left"), np.searchsorted(quantiles, value, "right")
    if left < right:  # equal to some quantiles: from the first to the last of them
        low = 0.0 if left == 0 else LEVELS[left]
        high = 1.0 if right == len(LEVELS) else LEVELS[right - 1]
        return float((low + high) / 2)
    if left == 0:
        return float(LEVELS[0] / 2)
    if left == len(LEVELS):
        return float((1 + LEVELS[-1]) / 2)
    below, above = float(quantiles[left - 1]), float(quantiles[left])
    return float(LEVELS[left - 1] + (LEVELS[left] - LEVELS[left - 1]) * (float(value) - below) / (above - below))


def summarise(style: str, table: np.ndarray, about: Mapping[str, Any]) -> StyleReference:
    """The reference of a table of figures (pieces, figures), float32, nan where not defined.

    How unusual its own pieces are is asked of each fifth by the quantiles of the others, so that none is measured by itself.
    """
    fold = np.random.default_rng(0).permutation(len(table)) % FOLDS
    shares: list[float] = []
    for f in range(FOLDS):
        others = _of(style, table[fold != f], about)
        shares += [others.unusual_share(others.percentiles(row)) for row in table[fold == f]]
    return replace(_of(style, table, about), unusual=np.quantile(shares, LEVELS).astype(np.float16))


def _of(style: str, table: np.ndarray, about: Mapping[str, Any]) -> StyleReference:
    """Quantiles and means of a table, without how unusual its pieces are."""
    known = np.isfinite(table).any(axis=0)
    quantiles = np.full((table.shape[1], len(LEVELS)), np.nan, dtype=np.float16)
    quantiles[known] = np.nanquantile(np.clip(table[:, known], -6e4, 6e4), LEVELS, axis=0).T  # what float16 holds
    means = np.full(table.shape[1], np.nan, dtype=np.float32)
    means[known] = np.nanmean(table[:, known], axis=0)
    return StyleReference(style, len(table), quantiles, means, np.zeros(len(LEVELS), dtype=np.float16), about)


def packed(references: list[StyleReference]) -> dict[str, np.ndarray]:
    """References as plain arrays, to be written."""
    return {
        "styles": np.array([r.style for r in references]), "pieces": np.array([r.pieces for r in references], dtype=np.int32),
        "figures": np.array([f.name for f in figure_table()]), "levels": LEVELS,
        "quantiles": np.stack([r.quantiles for r in references]), "means": np.stack([r.means for r in references]),
        "unusual": np.stack([r.unusual for r in references]), "about": np.array(json.dumps(dict(references[0].about), ensure_ascii=False)),
    }  # fmt: skip


@cache
def _shipped() -> dict[str, StyleReference]:
    with (files("zhiyin") / "data" / "style_reference.npz").open("rb") as handle, np.load(handle, allow_pickle=False) as found:
        arrays = dict(found)
    if arrays["figures"].tolist() != [f.name for f in figure_table()]:
        raise InputError(
            "The reference figures are of another version", expected="the figures that this zhiyin measures", received="others",
            hint="tools/make_style_reference.py makes them again",
        )  # fmt: skip
    about = json.loads(str(arrays["about"]))
    columns = (arrays[n] for n in ("styles", "pieces", "quantiles", "means", "unusual"))
    return {str(s): StyleReference(str(s), int(n), q, m, u, about) for s, n, q, m, u in zip(*columns)}


def style_names() -> list[str]:
    """The styles that there is a reference for, ``ALL`` first."""
    return list(_shipped())


def open_style(style: str = ALL) -> StyleReference:
    """The reference of a style; InputError for one that there is none for."""
    known = _shipped()
    wanted = style.strip().casefold() or ALL
    name = next((n for n in (wanted, wanted.replace(" ", "-"), wanted.removesuffix("s")) if n in known), None)
    if name is None:
        from zhiyin.inference.near_styles import near_in_meaning

        near = near_in_meaning(style, known)
        hint = f"nearest in meaning: {', '.join(near)}" if near else near_names(wanted, known)
        raise InputError("No reference for this style", expected=f"one of {len(known)} styles", received=repr(style), hint=hint)
    return known[name]

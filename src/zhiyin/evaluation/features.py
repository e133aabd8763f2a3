"""What the tree tester and the distances see of a window: descriptors, published statistics, and how bars follow each other.

Columns that would give a side away by its file (velocity, tempo, program, length) are left out.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from zhiyin.encoding.plan import bar_profile
from zhiyin.evaluation.excerpts import Excerpt
from zhiyin.measures.descriptors import NAMES, describe, style_inputs
from zhiyin.measures.statistics import STATISTICS, statistics
from zhiyin.measures.surface import read_surface
from zhiyin.score import Score

_LAGS = (1, 2, 3, 4, 8)
BAR_ORDER = (
    *(f"{kind} like {lag} bars before" for kind in ("rhythm", "harmony", "bar") for lag in _LAGS),
    "melody step across the bar line", "melody stepwise across the bar line", "bass step across the bar line", "height step of bars",
    "density step of bars",
)  # fmt: skip


@cache
def feature_names() -> tuple[str, ...]:
    """Names of the columns of ``features``."""
    return (*(NAMES[i] for i in style_inputs()), *STATISTICS, *BAR_ORDER)


def statistic_columns() -> slice:
    """The columns of ``features`` that hold the published statistics."""
    first = len(style_inputs())
    return slice(first, first + len(STATISTICS))


def features(window: Excerpt) -> np.ndarray:
    """float32 (len(feature_names()),), finite; a window without notes is all 0."""
    if not len(window.rows):
        return np.zeros(len(feature_names()), dtype=np.float32)
    score = window.score()
    described = describe(score)[list(style_inputs())]
    counted = np.array(list(statistics(score).values()), dtype=np.float32)
    return np.concatenate([described, np.nan_to_num(counted), bar_order(score)]).astype(np.float32)


def bar_order(score: Score) -> np.ndarray:
    """How each bar follows those before it, less how any bar follows any other; float (len(BAR_ORDER),)."""
    profile = bar_profile(score).reshape(len(score.bars), 12, 12)
    found: list[float] = []
    for table in (profile.sum(axis=2), profile.sum(axis=1), profile.reshape(len(profile), -1)):
        unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
        found += _lags(unit @ unit.T)
    surface = read_surface(score.notes, score.bars, score.drums, score.ticks_per_quarter)
    for line in (surface.melody, surface.bass):
        pitch, bar = surface.pitch[line], score.bar_of(surface.onset[line])
        step = np.abs(np.diff(pitch))[np.diff(bar) == 1]
        found += [float(step.mean()) if len(step) else 0.0, float((step <= 2).mean()) if len(step) else 0.0]
    del found[-1]
    bar = score.bar_of(score.notes["onset"])
    count = np.bincount(bar, minlength=len(score.bars))
    height = np.bincount(bar, weights=score.notes["pitch"], minlength=len(score.bars)) / np.maximum(count, 1)
    return np.array([*found, _step(height[count > 0]), _step(np.log1p(count))])


def _lags(similarity: np.ndarray) -> list[float]:
    """Mean of each lag's diagonal less the mean of all pairs; 0 for lags beyond the bars."""
    size = len(similarity)
    every = float(similarity[np.triu_indices(size, 1)].mean()) if size > 1 else 0.0
    return [float(np.diagonal(similarity, lag).mean()) - every if lag < size else 0.0 for lag in _LAGS]


def _step(values: np.ndarray) -> float:
    """Mean step between neighbours less the mean difference of any two."""
    if len(values) < 2:
        return 0.0
    apart = np.abs(values[:, None] - values)[np.triu_indices(len(values), 1)]
    return float(np.abs(np.diff(values)).mean() - apart.mean())

"""Strengths from paired comparisons: the model of Bradley & Terry (1952), fitted as Hunter (2004) does, with bootstrap intervals.

P(i is preferred to j) = exp(s_i) / (exp(s_i) + exp(s_j)). Each pair of sources that was compared gets half a virtual win on either side,
so that a source that never lost has a finite strength.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PRIOR = 0.5
_ROUNDS, _ENOUGH = 500, 1e-6


def strengths(wins: np.ndarray, anchor: int = 0) -> np.ndarray:
    """Log strengths (…, n) from wins (…, n, n): how often the row was preferred to the column; the anchor's is 0.

    A source that was compared with none is nan.
    """
    wins = np.asarray(wins, dtype=np.float64)
    met = (wins + np.swapaxes(wins, -1, -2)) > 0
    counted, some = wins + PRIOR * met, met.any(axis=-1)
    games, won = counted + np.swapaxes(counted, -1, -2), counted.sum(axis=-1)
    force = np.ones(won.shape)
    for _ in range(_ROUNDS):
        share = (games / (force[..., :, None] + force[..., None, :])).sum(axis=-1)
        fresh = np.where(some, won / np.maximum(share, 1e-12), 1.0)
        fresh /= np.exp(np.log(fresh).mean(axis=-1, keepdims=True))
        moved, force = np.abs(np.log(fresh / force)).max(), fresh
        if moved < _ENOUGH:
            break
    out = np.log(force)
    return np.where(some, out - out[..., anchor, None], np.nan)


def count_wins(answers: Sequence[tuple[int, int]], sources: int) -> np.ndarray:
    """Wins (n, n) from (preferred, other) pairs of source indices."""
    wins = np.zeros((sources, sources))
    for preferred, other in answers:
        wins[preferred, other] += 1
    return wins


def with_intervals(groups: Sequence[Sequence[tuple[int, int]]], sources: int, resamples: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """(strengths (n,), 95 % interval (2, n)) by bootstrap over groups of answers (a listener's, or one trial each)."""
    tables = np.stack([count_wins(g, sources) for g in groups])
    rng = np.random.default_rng(0)
    table = strengths(np.stack([tables[rng.integers(len(tables), size=len(tables))].sum(0) for _ in range(resamples)]))
    ends = np.full((2, sources), np.nan)
    some = np.isfinite(table).any(0)
    ends[:, some] = np.nanquantile(table[:, some], (0.025, 0.975), axis=0)
    return strengths(tables.sum(0)), ends

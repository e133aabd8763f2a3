"""Several recommenders blended: weights of their standardised scores, chosen on histories that were held back.

score(u, i) = Σ_m w_m (s_m(u, i) − mean_m(u)) / sd_m(u)      over all items i

Weights are found by coordinate steps from the best single method: another method enters, or a weight changes, where the mean of
Recall@10 and NDCG@10 on what was held back grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from zhiyin.recommenders.contract import Recommender, Table, as_table
from zhiyin.recommenders.ranking import ndcg, recall, top

STEPS = (0.0, 0.15, 0.3, 0.5, 0.75, 1.0)
_HOPELESS = 0.5  # of the best method alone: what is worse is not tried
_PASSES = 2
_HELD = 0.2  # share of each history that ``fit`` holds back


class Hybrid:
    """methods: of which each has an own name. ``weights``: one a method, after ``fit`` or ``tune``."""

    name = "hybrid"

    def __init__(self, methods: Sequence[Recommender], seed: int = 0) -> None:
        self.methods, self.seed = list(methods), seed
        self.weights = np.full(len(self.methods), 1.0)

    def fit(self, heard: Table, features: Table | np.ndarray | None = None) -> Self:
        """Holds a part of each history back, fits on the rest, chooses the weights, and fits on everything."""
        heard = as_table(heard)
        part, held = hold_back(heard, _HELD, self.seed)
        for method in self.methods:
            method.fit(part, features)
        self.tune(part, held)
        for method in self.methods:
            method.fit(heard, features)
        return self

    def tune(self, history: Table, wanted: Table) -> Self:
        """Chooses the weights for methods that are fitted: histories (B, I), and what their listeners liked beside them (B, I)."""
        rows = np.flatnonzero(np.diff(as_table(wanted).indptr))
        if not len(rows):
            return self
        history, wanted = as_table(history)[rows], as_table(wanted)[rows]
        parts = [standardised(m.scores(history)) for m in self.methods]
        alone = [_worth(p, history, wanted) for p in parts]
        weights = np.zeros(len(parts))
        weights[int(np.argmax(alone))] = 1.0
        best = max(alone)
        for _ in range(_PASSES):
            for m in (m for m in np.argsort(alone)[::-1] if alone[m] >= _HOPELESS * max(alone)):
                others = sum((w * p for n, (w, p) in enumerate(zip(weights, parts)) if n != m and w), np.zeros(1, np.float32))
                for step in STEPS:
                    if (step or others.any()) and (worth := _worth(others + step * parts[m], history, wanted)) > best + 1e-6:
                        best, weights[m] = worth, step
        self.weights = weights
        return self

    def scores(self, history: Table) -> np.ndarray:
        """Scores float32 (B, I)."""
        used = [(w, m) for w, m in zip(self.weights, self.methods) if w]
        return np.asarray(sum(w * standardised(m.scores(history)) for w, m in used), dtype=np.float32)


def standardised(scores: np.ndarray) -> np.ndarray:
    """Rows with mean 0 and standard deviation 1 (rows without spread become 0)."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    return (centred / np.maximum(centred.std(axis=1, keepdims=True), 1e-9)).astype(np.float32)


def hold_back(heard: Table, share: float, seed: int) -> tuple[Table, Table]:
    """(rest, held): a random ``share`` of each history of five pieces or more is held back, at least one piece."""
    rng = np.random.default_rng(seed)
    held = np.zeros(heard.nnz, dtype=bool)
    for begin, end in zip(heard.indptr, heard.indptr[1:]):
        if end - begin >= 5:
            held[begin + rng.permutation(end - begin)[: max(1, round(share * (end - begin)))]] = True
    rest, away = heard.copy(), heard.copy()
    rest.data[held] = 0.0
    away.data[~held] = 0.0
    return as_table(rest), as_table(away)


def _worth(scores: np.ndarray, history: Table, wanted: Table) -> float:
    ranked = top(scores, history, 10)
    return float(np.nanmean(recall(ranked, wanted)) + np.nanmean(ndcg(ranked, wanted))) / 2

"""Rankings, and how good one is: recall, precision, NDCG, and what it costs: coverage, Gini, intra-list distance. Full rankings only.

ranked: int (B, K), item numbers, best first, -1 where there is none. wanted: a table (B, I) of the items that were held back.
"""

from __future__ import annotations

import numpy as np

from zhiyin.recommenders.contract import Recommender, Table, as_table
from zhiyin.recommenders.diversify import normalised


def top(scores: np.ndarray, history: Table, count: int) -> np.ndarray:
    """The ``count`` best items of every row that its history does not hold: int64 (B, count). scores (B, I) stay as they are."""
    left = scores.copy()
    rows, columns = history.nonzero()
    left[rows, columns] = -np.inf
    found = np.argpartition(-left, count - 1, axis=1)[:, :count] if count < left.shape[1] else np.argsort(-left, axis=1)
    value = np.take_along_axis(left, found, axis=1)
    order = np.argsort(-value, axis=1, kind="stable")
    found, value = np.take_along_axis(found, order, axis=1), np.take_along_axis(value, order, axis=1)
    return np.where(np.isfinite(value), found, -1)[:, :count]


def rank(method: Recommender, history: Table, count: int, *, batch: int = 256, allowed: np.ndarray | None = None) -> np.ndarray:
    """The ``count`` best items int64 (B, count) that the history does not hold; -1 where there are no more. allowed: bool (I,)."""
    history = as_table(history)
    out = []
    for begin in range(0, history.shape[0], batch):
        part = history[begin : begin + batch]
        scores = method.scores(part)
        if allowed is not None:
            scores[:, ~allowed] = -np.inf
        out.append(top(scores, part, count))
    return np.concatenate(out)


def hits(ranked: np.ndarray, wanted: Table) -> np.ndarray:
    """Which ranked items are wanted: bool (B, K)."""
    dense = np.zeros((wanted.shape[0], wanted.shape[1] + 1), dtype=bool)
    rows, columns = wanted.nonzero()
    dense[rows, columns] = True
    return np.take_along_axis(dense, ranked, axis=1)  # -1 is the column that is never wanted


def recall(ranked: np.ndarray, wanted: Table) -> np.ndarray:
    """Share of the wanted items among the K, per listener: float (B,), NaN where nothing is wanted."""
    count = np.diff(wanted.indptr).astype(float)
    return hits(ranked, wanted).sum(axis=1) / np.where(count, count, np.nan)


def precision(ranked: np.ndarray, wanted: Table) -> np.ndarray:
    """Share of wanted ones among the K, per listener: float (B,), NaN where nothing is wanted."""
    return np.where(np.diff(wanted.indptr), hits(ranked, wanted).mean(axis=1), np.nan)


def ndcg(ranked: np.ndarray, wanted: Table) -> np.ndarray:
    """Discounted gain over that of the best ranking, per listener (Järvelin and Kekäläinen 2002): float (B,)."""
    gain = 1.0 / np.log2(np.arange(ranked.shape[1]) + 2.0)
    ideal = np.concatenate([[np.nan], np.cumsum(gain)])[np.minimum(np.diff(wanted.indptr), ranked.shape[1])]
    return (hits(ranked, wanted) * gain).sum(axis=1) / ideal


def coverage(ranked: np.ndarray, items: int) -> float:
    """Share of all items that somebody is recommended."""
    return len(np.unique(ranked[ranked >= 0])) / items


def gini(ranked: np.ndarray, items: int) -> float:
    """How unevenly recommendations fall on items: 0 = all as often, 1 = one item always."""
    count = np.sort(np.bincount(ranked[ranked >= 0], minlength=items)).astype(float)
    return float((2 * np.arange(1, items + 1) - items - 1) @ count / (items * max(count.sum(), 1.0)))


def intra_list_distance(ranked: np.ndarray, features: np.ndarray | Table) -> float:
    """Mean over listeners of the mean of 1 − cosine between the items of a list. features (I, F)."""
    distances = []
    for row in ranked:
        own = features[row[row >= 0]]
        unit = normalised(own if isinstance(own, np.ndarray) else own.toarray())
        if len(unit) > 1:
            likeness = unit @ unit.T
            distances.append(1.0 - (likeness.sum() - np.trace(likeness)) / (len(unit) * (len(unit) - 1)))
    return float(np.mean(distances)) if distances else 0.0

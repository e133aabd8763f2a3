"""Maximal marginal relevance (Carbonell and Goldstein 1998): a list that is good and not all of one kind.

The next item is the one with the largest   (1 − d)·score(i) − d·max over chosen j of cosine(i, j)   , scores brought to 0..1.
"""

from __future__ import annotations

import numpy as np

_POOL = 50  # candidates looked at for each item wanted


def diversify(scores: np.ndarray, features: np.ndarray, count: int, diversity: float) -> np.ndarray:
    """Indices int64 (<= count,) of the chosen, in order. scores float (N,), features float (N, D), diversity 0..1.

    Items of score -inf are never chosen.
    """
    pool = best(scores, count * _POOL if diversity > 0 else count)
    if diversity <= 0 or not len(pool):
        return pool[:count]
    value = scores[pool].astype(np.float64)
    value = (value - value.min()) / max(float(value.max() - value.min()), 1e-12)
    unit = normalised(features[pool])
    nearest = np.zeros(len(pool))
    chosen: list[int] = []
    for _ in range(min(count, len(pool))):
        worth = (1.0 - diversity) * value - diversity * nearest
        worth[chosen] = -np.inf
        chosen.append(int(worth.argmax()))
        likeness = unit @ unit[chosen[-1]]
        nearest = np.maximum(nearest, likeness) if len(chosen) > 1 else likeness
    return pool[chosen]


def best(scores: np.ndarray, count: int) -> np.ndarray:
    """Indices of the ``count`` largest finite scores, largest first; ties by index."""
    count = min(count, int(np.isfinite(scores).sum()))
    if count <= 0:
        return np.zeros(0, dtype=np.int64)
    top = np.argpartition(-scores, count - 1)[:count]
    return top[np.lexsort((top, -scores[top]))].astype(np.int64)


def normalised(features: np.ndarray) -> np.ndarray:
    """Rows of length 1 (rows of zeros stay)."""
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)

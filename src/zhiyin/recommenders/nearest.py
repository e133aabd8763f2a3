"""The vectors with the largest dot product to a query: all of them looked at where they are few, through a graph where they are many.

The graph is HNSW (Malkov and Yashunin 2018) of the library ``usearch`` (extra ``recommend``). It misses some; ``recall`` says how many.
"""

from __future__ import annotations

import numpy as np

from zhiyin.errors import InputError
from zhiyin.recommenders.diversify import best

EXACT_BELOW = 200_000  # vectors: looking at all of them takes some 30 ms there
_SEED_THREADS = 1  # one thread builds the same graph every time
_EXPANSION = 256


class Nearest:
    """vectors float32 (N, D), rows of length 1. ``exact``: whether all are looked at."""

    def __init__(self, vectors: np.ndarray, *, exact_below: int = EXACT_BELOW) -> None:
        self.vectors, self.exact = vectors, len(vectors) < exact_below
        if not self.exact:
            self.index = _graph(vectors)

    def search(self, query: np.ndarray, count: int) -> np.ndarray:
        """Places int64 (<= count,) of the nearest to a query (D,), nearest first."""
        if self.exact:
            return best(self.vectors @ query, count)
        found = self.index.search(np.asarray(query, np.float32), min(count, len(self.vectors)), threads=_SEED_THREADS)
        return np.asarray(found.keys, dtype=np.int64)

    def recall(self, queries: np.ndarray, count: int) -> float:
        """Share of the true nearest that are found, over queries (Q, D)."""
        found = [len(np.intersect1d(self.search(q, count), best(self.vectors @ q, count))) / min(count, len(self.vectors)) for q in queries]
        return float(np.mean(found))


def _graph(vectors: np.ndarray):
    try:
        from usearch.index import Index
    except ImportError:
        raise InputError(
            f"{len(vectors)} vectors need a graph, and its library is not installed", expected="the extra `recommend`", received="no module usearch",
            hint="pip install 'zhiyin[recommend]'",
        ) from None
    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32", expansion_add=_EXPANSION, expansion_search=_EXPANSION)
    index.add(np.arange(len(vectors)), np.ascontiguousarray(vectors, np.float32), threads=_SEED_THREADS)
    return index

"""The vectors with the largest dot product to a query: all of them looked at where they are few, through a graph where they are many.

The graph is HNSW (Malkov and Yashunin 2018) of the library ``voyager`` (extra ``recommend``). It misses some; ``recall`` says how many.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import InputError
from zhiyin.files import atomic_path
from zhiyin.recommenders.diversify import best

EXACT_BELOW = 200_000  # vectors: looking at all of them takes some tens of milliseconds there
_THREADS = 1  # one thread builds the same graph every time
_LINKS, _EF_BUILD, _EF_LEAST = 24, 200, 200  # links of a vector; how many candidates are kept while building, while searching


class Nearest:
    """vectors float32 (N, D), rows of length 1. ``exact``: whether all are looked at. place: a file that keeps the graph of just
    these vectors (its name is the caller's promise); it is made where it is not there, damaged, or of another size."""

    def __init__(self, vectors: np.ndarray, *, exact_below: int = EXACT_BELOW, place: Path | None = None) -> None:
        self.vectors, self.exact = vectors, len(vectors) < exact_below
        if not self.exact:
            self.index = _kept(vectors, place) if place else _graph(vectors)

    def search(self, query: np.ndarray, count: int) -> np.ndarray:
        """Places int64 (<= count,) of the nearest to a query (D,), nearest first."""
        count = min(count, len(self.vectors))
        if self.exact:
            return best(self.vectors @ query, count)
        places, _ = self.index.query(np.asarray(query, np.float32), k=count, query_ef=max(2 * count, _EF_LEAST))
        return places.astype(np.int64)

    def recall(self, queries: np.ndarray, count: int) -> float:
        """Share of the true nearest that are found, over queries (Q, D)."""
        found = [len(np.intersect1d(self.search(q, count), best(self.vectors @ q, count))) / min(count, len(self.vectors)) for q in queries]
        return float(np.mean(found))


def _kept(vectors: np.ndarray, place: Path) -> Any:
    if place.is_file():
        try:
            index = _library(len(vectors)).Index.load(str(place))
            if len(index) == len(vectors) and index.num_dimensions == vectors.shape[1]:
                return index
        except (RuntimeError, ValueError):  # cut off, or of another version
            pass
    index = _graph(vectors)
    with atomic_path(place) as temporary:
        index.save(str(temporary))
    return index


def _graph(vectors: np.ndarray) -> Any:
    library = _library(len(vectors))
    index = library.Index(library.Space.InnerProduct, num_dimensions=vectors.shape[1], M=_LINKS, ef_construction=_EF_BUILD, random_seed=1)
    index.add_items(np.ascontiguousarray(vectors, np.float32), num_threads=_THREADS)
    return index


def _library(count: int) -> Any:
    try:
        import voyager
    except ImportError:
        raise InputError(
            f"{count} vectors need a graph, and its library is not installed", expected="the extra `recommend`", received="no module voyager",
            hint="pip install 'zhiyin[recommend]'",
        ) from None
    return voyager

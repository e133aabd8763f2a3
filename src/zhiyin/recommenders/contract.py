"""What every recommender that learns from listeners gives: ``fit`` once, ``scores`` for anybody, also who came later.

``heard`` is a sparse table (U, I) of listeners by items: how strongly each was liked, 0 = not known (scipy CSR, float32).
``features`` (I, F) says what is known of the items themselves; methods that have no use for it pass over it. ``scores`` takes
histories (B, I), of listeners of the table or not, and gives a score for every item: folding in never fits anew.
"""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from scipy import sparse
from scipy.sparse import csr_matrix as Table


class Recommender(Protocol):
    """One method. ``name``: as tables and reports call it."""

    name: str

    def fit(self, heard: Table, features: Table | np.ndarray | None = None) -> Self:
        """Learns from listeners' histories (U, I), U and I at least 1."""

    def scores(self, history: Table) -> np.ndarray:
        """Scores float32 (B, I), larger = rather to be recommended, of histories (B, I)."""


def as_table(values: Any) -> Table:
    """A CSR table of float32 without stored zeros, duplicates added up."""
    table = sparse.csr_matrix(values, dtype=np.float32)
    table.sum_duplicates()
    table.eliminate_zeros()
    return table


def size_bytes(method: Any) -> int:
    """Memory of the arrays that a fitted method keeps, in bytes; of the methods inside it too."""
    return _size(vars(method), set())


def _size(value: Any, seen: set[int]) -> int:
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        return value.nbytes
    if sparse.issparse(value):
        return sum(getattr(value, n).nbytes for n in ("data", "indices", "indptr") if hasattr(value, n))
    if isinstance(value, dict):
        return sum(_size(v, seen) for v in value.values())
    if isinstance(value, list | tuple):
        return sum(_size(v, seen) for v in value)
    return _size(vars(value), seen) if hasattr(value, "__dict__") and not callable(value) else 0

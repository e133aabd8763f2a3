"""Item-based nearest neighbours (Sarwar et al. 2001; Deshpande and Karypis 2004): cosine of columns, shrunk, the k nearest kept.

sim(i, j) = x_i·x_j / (‖x_i‖ ‖x_j‖ + s)        score(u, j) = Σ_{i in history} sim(i, j)·x_ui
"""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy import sparse

from zhiyin.recommenders.contract import Table, as_table

_BATCH = 1024


class ItemKnn:
    """neighbours: how many each item keeps; shrink: what is added below, against neighbours by chance."""

    name = "item-knn"

    def __init__(self, neighbours: int = 200, shrink: float = 10.0) -> None:
        self.neighbours, self.shrink = neighbours, shrink

    def fit(self, heard: Table, features: object = None) -> Self:
        """Finds the neighbours of every item; memory I x neighbours."""
        table = as_table(heard)
        columns = table.T.tocsr()
        length = np.sqrt(np.asarray(columns.multiply(columns).sum(axis=1))).ravel()
        parts = []
        for begin in range(0, columns.shape[0], _BATCH):
            dots = (columns[begin : begin + _BATCH] @ table).tocsr()
            parts.append(self._nearest(dots, length, begin))
        self.similar = sparse.vstack(parts, format="csr").astype(np.float32)
        return self

    def scores(self, history: Table) -> np.ndarray:
        """Sums over the history."""
        return (as_table(history) @ self.similar).toarray()

    def _nearest(self, dots: Table, length: np.ndarray, begin: int) -> Table:
        rows = np.repeat(np.arange(dots.shape[0]), np.diff(dots.indptr))
        value = dots.data / (length[begin + rows] * length[dots.indices] + self.shrink)
        value[dots.indices == begin + rows] = 0.0
        kept = np.zeros(len(value), dtype=bool)
        for row in range(dots.shape[0]):
            span = slice(dots.indptr[row], dots.indptr[row + 1])
            part = value[span]
            if len(part) > self.neighbours:
                kept[span.start + np.argpartition(-part, self.neighbours)[: self.neighbours]] = True
            else:
                kept[span] = True
        kept &= value > 0
        return sparse.csr_matrix((value[kept], (rows[kept], dots.indices[kept])), shape=dots.shape)

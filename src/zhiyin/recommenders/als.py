"""Alternating least squares on implicit feedback (Hu, Koren and Volinsky 2008), through the library ``implicit``.

A listener that is folded in gets the factors that solve the listener's half of the problem for the items as they are.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from zhiyin.recommenders.contract import Table, as_table


class Als:
    """factors, regularisation, alpha (confidence = 1 + alpha·liking), iterations: as the paper calls them."""

    name = "als"

    def __init__(self, factors: int = 64, regularisation: float = 10.0, alpha: float = 10.0, iterations: int = 15, seed: int = 0) -> None:
        self.factors, self.regularisation, self.alpha = factors, regularisation, alpha
        self.iterations, self.seed = iterations, seed

    def fit(self, heard: Table, features: object = None) -> Self:
        """Fits on one thread; the same seed gives the same factors."""
        from implicit.cpu.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(
            factors=self.factors, regularization=self.regularisation, alpha=self.alpha, iterations=self.iterations,
            random_state=self.seed, num_threads=1,
        )  # fmt: skip
        model.fit(as_table(heard), show_progress=False)
        self.items = np.asarray(model.item_factors, dtype=np.float32)
        return self

    def scores(self, history: Table) -> np.ndarray:
        """Folds every history in and multiplies."""
        return fold_in(as_table(history), self.items, self.regularisation, self.alpha) @ self.items.T


def fold_in(history: Table, items: np.ndarray, regularisation: float, alpha: float) -> np.ndarray:
    """Listener factors (B, K) of histories: (YᵀY + λI + alpha Σ x·yyᵀ)⁻¹ Σ (1 + alpha·x)·y over the items heard."""
    width = items.shape[1]
    shared = (items.T @ items + regularisation * np.eye(width)).astype(np.float32)
    out = np.zeros((history.shape[0], width), dtype=np.float32)
    for b in range(history.shape[0]):
        span = slice(history.indptr[b], history.indptr[b + 1])
        own, value = items[history.indices[span]], history.data[span] * alpha
        if len(own):
            out[b] = np.linalg.solve(shared + (own * value[:, None]).T @ own, own.T @ (1.0 + value))
    return out

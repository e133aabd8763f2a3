"""Bayesian personalised ranking (Rendle et al. 2009) with matrix factors, through the library ``implicit``.

A listener that is folded in gets a vector that ranks what was heard above everything else, by gradient steps on the same
loss, −Σ ln σ(u·(y_i − y_j)) + λ‖u‖², with the items as they are: i over the history, j over a fixed sample of items.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from zhiyin.recommenders.contract import Table, as_table

_OTHERS = 128  # items that stand for everything else when a listener is folded in
_STEPS = 40
_RATE = 0.5


class Bpr:
    """factors, regularisation, rate (of learning), iterations: as the paper calls them."""

    name = "bpr"

    def __init__(self, factors: int = 64, regularisation: float = 0.01, rate: float = 0.05, iterations: int = 50, seed: int = 0) -> None:
        self.factors, self.regularisation, self.rate = factors, regularisation, rate
        self.iterations, self.seed = iterations, seed

    def fit(self, heard: Table, features: object = None) -> Self:
        """Fits on one thread; the same seed gives the same factors."""
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        model = BayesianPersonalizedRanking(
            factors=self.factors, regularization=self.regularisation, learning_rate=self.rate, iterations=self.iterations,
            random_state=self.seed, num_threads=1,
        )  # fmt: skip
        model.fit(as_table(heard), show_progress=False)
        self.items = np.asarray(model.item_factors, dtype=np.float32)  # the last column is the item's bias
        self.others = np.random.default_rng(self.seed).permutation(len(self.items))[:_OTHERS]
        return self

    def scores(self, history: Table) -> np.ndarray:
        """Folds every history in; an empty one gets the items' biases."""
        history = as_table(history)
        listeners = np.stack([self._fold_in(history.indices[a:b]) for a, b in zip(history.indptr, history.indptr[1:])])
        return listeners @ self.items[:, :-1].T + self.items[:, -1]

    def _fold_in(self, heard: np.ndarray) -> np.ndarray:
        vector = np.zeros(self.items.shape[1] - 1, dtype=np.float32)
        if not len(heard):
            return vector
        own, other = self.items[heard], self.items[np.setdiff1d(self.others, heard)]
        for _ in range(_STEPS):
            margin = (own[:, :-1] @ vector + own[:, -1])[:, None] - (other[:, :-1] @ vector + other[:, -1])[None]
            wrong = 1.0 / (1.0 + np.exp(np.clip(margin, -30, 30)))
            pull = wrong.sum(axis=1) @ own[:, :-1] - wrong.sum(axis=0) @ other[:, :-1]
            vector += _RATE * (pull / wrong.size * len(heard) - self.regularisation * vector)
        return vector

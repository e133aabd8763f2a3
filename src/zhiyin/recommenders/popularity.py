"""Popularity: the same order for everybody, by how many listeners like an item. The floor that every method must clear."""

from __future__ import annotations

from typing import Self

import numpy as np

from zhiyin.recommenders.contract import Table, as_table


class Popularity:
    """score(i) = number of listeners who like i."""

    name = "popularity"

    def fit(self, heard: Table, features: object = None) -> Self:
        """Counts the listeners of every item."""
        self.count = np.asarray((as_table(heard) > 0).sum(axis=0), dtype=np.float32).ravel()
        return self

    def scores(self, history: Table) -> np.ndarray:
        """The counts, once per history."""
        return np.tile(self.count, (history.shape[0], 1))

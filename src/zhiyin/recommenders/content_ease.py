"""EASE with what is known of the items stacked below the listeners as pseudo-listeners.

Each feature (a tag, a descriptor) becomes a row that "likes" the items that have it, weighed by ``weight`` and by how rare it is
(IDF), so that items with features in common are tied even where no listener has heard both. (Collective SLIM: Ning and Karypis
2012; in closed form: Jeunen, Van Balen and Goethals 2020.)
"""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy import sparse

from zhiyin.errors import InputError
from zhiyin.recommenders.contract import Table, as_table
from zhiyin.recommenders.ease import Ease


class ContentEase(Ease):
    """weight: of the features against the listeners; idf: rare features count more."""

    name = "content-ease"

    def __init__(self, regularisation: float = 200.0, weight: float = 0.4, *, idf: bool = True) -> None:
        super().__init__(regularisation)
        self.weight, self.idf = weight, idf

    def fit(self, heard: Table, features: Table | np.ndarray | None = None) -> Self:
        """Fits on listeners (U, I) over features (I, F)."""
        if features is None:
            raise InputError("content-ease needs features", expected="a table (items, features)", received="none")
        rows = as_table(as_table(features).T)
        if self.idf:
            there = np.maximum(np.diff(rows.indptr), 1)
            rows = as_table(sparse.diags(np.log(rows.shape[1] / there)) @ rows)
        return super().fit(sparse.vstack([as_table(heard), self.weight * rows], format="csr"))

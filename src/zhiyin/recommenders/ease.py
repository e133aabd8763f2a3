"""EASE (Steck 2019): the linear item-item model with a zero diagonal, in closed form.

    min_B ‖X − XB‖² + λ‖B‖²  with diag(B) = 0      P = (XᵀX + λI)⁻¹      B = I − P·diag(1/diag P)

With fewer rows (listeners and pseudo-listeners, R) than items (I) the dual form is used (Woodbury); no I x I table is ever made:

    P = (I − Xᵀ K X)/λ,  K = (XXᵀ + λI)⁻¹ (R x R)      diag(P)_i = (1 − Σ_{r,s} X_ri K_rs X_si)/λ
    score(h) = h − (h − ((h Xᵀ) K) X) / (λ·diag P)

Here h is a history. Its own listener need not be in X.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy import linalg, sparse

from zhiyin.errors import InputError
from zhiyin.recommenders.contract import Table, as_table

MAX_SIDE = 25_000  # rows or columns of the table that is inverted: 2.5 GB
_BATCH = 2048


class Ease:
    """regularisation: λ. ``dual``: whether the dual form was used."""

    name = "ease"

    def __init__(self, regularisation: float = 200.0) -> None:
        self.regularisation = regularisation

    def fit(self, heard: Table, features: object = None) -> Self:
        """Inverts a table of min(listeners, items) squared. InputError where both are too many."""
        rows = as_table(heard)
        self.dual = rows.shape[0] < rows.shape[1]
        if min(rows.shape) > MAX_SIDE:
            raise InputError(
                "EASE does not fit", expected=f"at most {MAX_SIDE} listeners or items", received=f"{rows.shape[0]} and {rows.shape[1]}",
                hint="als, bpr and item-knn grow with the number of events only",
            )  # fmt: skip
        if self.dual:
            self.rows = rows
            self.kernel = _inverse((rows @ rows.T).toarray(), self.regularisation)
            self.scale = 1.0 / np.maximum(1.0 - _diagonal(rows, self.kernel), 1e-6)
        else:
            inverse = _inverse((rows.T @ rows).toarray(), self.regularisation)
            self.weights = inverse / -np.diag(inverse)
            np.fill_diagonal(self.weights, 0.0)
        return self

    def scores(self, history: Table) -> np.ndarray:
        """Scores float32 (B, I)."""
        history = as_table(history)
        if not self.dual:
            return np.asarray(history @ self.weights, dtype=np.float32)
        through = (history @ self.rows.T) @ self.kernel
        rest = history.toarray() - np.asarray(through @ self.rows)
        return np.asarray(history.toarray() - rest * self.scale, dtype=np.float32)


def _inverse(gram: np.ndarray, regularisation: float) -> np.ndarray:
    """(gram + λI)⁻¹ in float32, through Cholesky, in place."""
    gram = gram.astype(np.float32, copy=False)
    gram[np.diag_indices_from(gram)] += regularisation
    factor, wrong = linalg.lapack.spotrf(gram, lower=1, overwrite_a=1)
    inverse, bad = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    if wrong or bad:
        raise InputError("EASE cannot be solved", expected="regularisation above 0", received=f"{regularisation:g}")
    inverse = np.tril(inverse)
    return inverse + np.tril(inverse, -1).T


def _diagonal(rows: Table, kernel: np.ndarray) -> np.ndarray:
    """Σ_{r,s} X_ri K_rs X_si of every item: float32 (I,), some columns at a time."""
    out = np.zeros(rows.shape[1], dtype=np.float32)
    columns = rows.tocsc()
    for begin in range(0, rows.shape[1], _BATCH):
        part: sparse.csc_matrix = columns[:, begin : begin + _BATCH]
        out[begin : begin + _BATCH] = np.asarray(part.multiply(kernel @ part).sum(axis=0)).ravel()
    return out

"""Taste from content alone: a Gaussian process over the features of a piece (Rasmussen and Williams 2006, ch. 2).

The prior says that every piece is liked by 0 and that pieces alike are liked alike: covariance x·x' of the features, noise
of variance ``noise`` in what a listener says. With X the features of the pieces heard and y the likings in -1..1

    mean(x) = x·w,  w = X'(XX' + noise·I)⁻¹ y          variance(x) = x·x − x·X'(XX' + noise·I)⁻¹ X x

Fitting costs the cube of the number of pieces heard, ranking one dot product a piece; no other listener is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NOISE = 0.3
MAX_HEARD = 4000  # the last so many pieces heard are looked at


@dataclass(frozen=True)
class Taste:
    """A listener's taste. weights: float32 (D,); heard: features (H, D); solved: float32 (H,), the dual
    weights; gram: float64 (H, H), XX' + noise·I."""

    weights: np.ndarray
    heard: np.ndarray
    solved: np.ndarray
    gram: np.ndarray

    def mean(self, features: np.ndarray) -> np.ndarray:
        """Expected liking float32 (N,) of pieces with features (N, D)."""
        return features @ self.weights

    def deviation(self, features: np.ndarray) -> np.ndarray:
        """Standard deviation of the expected liking, float32 (N,): large far from all that was heard."""
        cross = features @ self.heard.T
        variance = (features * features).sum(axis=1) - (np.linalg.solve(self.gram, cross.T).T * cross).sum(axis=1)
        return np.sqrt(np.maximum(variance, 0.0))

    def shares(self, features: np.ndarray) -> np.ndarray:
        """How much each piece heard adds to the expected liking: float32 (N, H), rows sum to ``mean``."""
        return (features @ self.heard.T) * self.solved


def fit_taste(heard: np.ndarray, liking: np.ndarray, *, noise: float = NOISE) -> Taste:
    """The taste behind likings float (H,) in -1..1 of pieces with features float32 (H, D), oldest first."""
    heard, liking = heard[-MAX_HEARD:].astype(np.float64), liking[-MAX_HEARD:].astype(np.float64)
    gram = heard @ heard.T + noise * np.eye(len(heard))
    solved = np.linalg.solve(gram, liking)
    weights = (heard.T @ solved).astype(np.float32)
    return Taste(weights, heard.astype(np.float32), solved.astype(np.float32), gram)

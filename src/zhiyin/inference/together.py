"""What other listeners say of pieces: EASE over all listeners' likings, into which one listener's history is folded.

It is blended with the taste by   z(taste) + w·z(EASE),   w = n/(n + 10),   where n counts how often others liked a piece that
the listener liked: with nobody in common it counts for nothing, with many as much as the listener's own taste. Needs SciPy
(extra ``recommend``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zhiyin.inference.listening import Ears
from zhiyin.inference.shelf import Shelf

HALF = 10.0  # likings in common at which others count for half
REGULARISATION = 10.0


@dataclass(frozen=True)
class Together:
    """scores: float (N,) of the shelf's pieces; weight: w in 0..1; both: int (N, L), listeners who like a piece and the l-th liked one."""

    scores: np.ndarray
    weight: float
    both: np.ndarray
    liked: np.ndarray

    def blend(self, taste: np.ndarray) -> np.ndarray:
        """The blended scores, float (N,); -inf stays."""
        known = np.isfinite(taste)
        out = np.full(len(taste), -np.inf)
        out[known] = _z(taste[known]) + self.weight * _z(self.scores)[known]
        return out

    def because(self, piece: int, count: int = 2) -> list[int]:
        """Liked pieces (rows of the shelf) whose other listeners like ``piece``, the one with most of them first."""
        order = [int(n) for n in np.argsort(-self.both[piece], kind="stable")[:count] if self.both[piece][n]]
        return [int(self.liked[n]) for n in order]


def hear_others(shelf: Shelf, ears: Ears, rows: np.ndarray, liking: np.ndarray) -> Together | None:
    """What others make of the shelf for one listener, None where no other listener likes a piece that the listener likes."""
    place = {int(p): i for i, p in enumerate(shelf.ids)}
    kept = [(int(w), place[int(p)], float(v)) for w, p, v in zip(*ears.others) if v > 0 and int(p) in place]
    liked = rows[liking > 0]
    common = sum(p in set(liked.tolist()) for _, p, _ in kept)
    if not common:
        return None
    from scipy import sparse  # the light install has none: see recommend

    from zhiyin.recommenders.contract import as_table
    from zhiyin.recommenders.ease import Ease

    who = {w: n for n, w in enumerate(dict.fromkeys(w for w, _, _ in kept))}
    columns = ([v for _, _, v in kept], ([who[w] for w, _, _ in kept], [p for _, p, _ in kept]))
    table = as_table(sparse.csr_matrix(columns, shape=(len(who), len(shelf))))
    history = as_table(sparse.csr_matrix((liking[liking > 0], (np.zeros(len(liked), int), liked)), shape=(1, len(shelf))))
    listeners = (table > 0).astype(np.int64)
    both = (listeners.T @ listeners[:, liked]).toarray()
    both[liked, np.arange(len(liked))] = 0
    scores = Ease(REGULARISATION).fit(table).scores(history)[0].astype(np.float64)
    return Together(scores, common / (common + HALF), both, liked)


def _z(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / max(float(values.std()), 1e-9)

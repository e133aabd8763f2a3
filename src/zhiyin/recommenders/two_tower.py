"""Two towers at use: item vectors from what is known of the items, listener vectors from what was heard. Arrays only, no torch.

    item      v = unit(relu(f W1 + b1) W2 + b2 + e)      e: the item's own vector, 0 for items that nobody had heard in training
    listener  p = unit(mean of v over the history, weighed by liking)      u = unit(p + relu(p W3 + b3) W4 + b4)
    score     u·v

Trained by ``training/two_tower.py`` (Covington et al. 2016; sampled softmax with correction: Yi et al. 2019). An item that came
later needs its features only: ``with_items``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from zhiyin.errors import PackageError
from zhiyin.files import atomic_path
from zhiyin.recommenders.contract import Table, as_table
from zhiyin.recommenders.diversify import normalised

_BATCH = 4096


@dataclass(frozen=True)
class TwoTower:
    """Fitted towers. item_in (F, H), item_in_bias (H,), item_out (H, D), item_out_bias (D,);
    listener_in (D, H) and on likewise; items (I, D): the vectors of all items."""

    item_in: np.ndarray
    item_in_bias: np.ndarray
    item_out: np.ndarray
    item_out_bias: np.ndarray
    listener_in: np.ndarray
    listener_in_bias: np.ndarray
    listener_out: np.ndarray
    listener_out_bias: np.ndarray
    items: np.ndarray

    def item_vectors(self, features: Table | np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """Vectors float32 (N, D) of length 1 of items with features (N, F); own (N, D): vectors of items known in training."""
        out = []
        for begin in range(0, features.shape[0], _BATCH):
            part = features[begin : begin + _BATCH]
            hidden = np.maximum(np.asarray(part @ self.item_in) + self.item_in_bias, 0.0)
            out.append(hidden @ self.item_out + self.item_out_bias)
        vectors = np.concatenate(out) + (own if own is not None else 0.0)
        return normalised(vectors).astype(np.float32)

    def with_items(self, features: Table | np.ndarray) -> TwoTower:
        """The same towers over more items, which nobody had heard in training: they stand behind the others."""
        return replace(self, items=np.concatenate([self.items, self.item_vectors(features)]))

    def listener_vectors(self, history: Table) -> np.ndarray:
        """Vectors float32 (B, D) of histories (B, I); zeros for an empty one."""
        pooled = normalised(np.asarray(as_table(history) @ self.items))
        hidden = np.maximum(pooled @ self.listener_in + self.listener_in_bias, 0.0)
        out = normalised(pooled + hidden @ self.listener_out + self.listener_out_bias)
        return (out * (np.abs(pooled).sum(axis=1, keepdims=True) > 0)).astype(np.float32)

    def scores(self, history: Table) -> np.ndarray:
        """Scores float32 (B, I)."""
        return self.listener_vectors(history) @ self.items.T

    def save(self, path: str | Path) -> Path:
        """Writes the arrays to an .npz file."""
        with atomic_path(path) as temporary:
            np.savez(temporary, **{f.name: getattr(self, f.name) for f in fields(self)})
        return Path(path)


def load_towers(path: str | Path) -> TwoTower:
    """Towers from a file that ``save`` wrote; PackageError where it is none."""
    try:
        with np.load(path, allow_pickle=False) as found:
            return TwoTower(**{f.name: found[f.name] for f in fields(TwoTower)})
    except (OSError, ValueError, KeyError) as error:
        raise PackageError(f"{path} holds no towers", expected="an .npz file that TwoTower.save wrote", received=str(error)) from None

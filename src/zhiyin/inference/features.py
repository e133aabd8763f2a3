"""What a piece is to a recommender: its descriptors on a fixed scale and its embedding, as one vector of length 1.

The scale (mean and spread of every descriptor) was read off the training corpus once and is shipped, so that a library of two
pieces has sensible features and a vector means the same everywhere (``tools/descriptor_scale.py``).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files

import numpy as np

from zhiyin.errors import PackageError
from zhiyin.measures.descriptors import DESCRIPTORS, NAMES

SHARE = 0.5  # of the descriptors in a dot product of two pieces; the rest is the embedding's
_LIMIT = 4.0  # standard deviations, at most
_UNMUSICAL = ("velocity", "format", "program")  # what tells where a file comes from rather than how it sounds


@cache
def scale() -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation float32 (D,) of the descriptors over the training corpus."""
    with as_file(files("zhiyin.data") / "descriptor_scale.npz") as path, np.load(path, allow_pickle=False) as found:
        names, mean, spread = found["names"].tolist(), found["mean"], found["spread"]
    if names != list(NAMES):
        raise PackageError(
            "The scale of the descriptors is of another version",
            expected=f"{len(NAMES)} descriptors by name",
            received=f"{len(names)}",
            hint="python tools/descriptor_scale.py makes it again",
        )
    return mean, spread


@cache
def heard_columns() -> np.ndarray:
    """Columns of the descriptors that say how music sounds, int64: without velocity, programs and format."""
    return np.array([i for i, d in enumerate(DESCRIPTORS) if d.left_out not in _UNMUSICAL])


def standard(descriptors: np.ndarray) -> np.ndarray:
    """Descriptors (N, D) in standard deviations from the mean of the training corpus, at most 4; float32 (N, D)."""
    mean, spread = scale()
    return np.clip((descriptors - mean) / spread, -_LIMIT, _LIMIT).astype(np.float32)


def features(
    descriptors: np.ndarray, embeddings: np.ndarray, *, share: float = SHARE, columns: np.ndarray | None = None
) -> np.ndarray:
    """float32 (N, F), rows of length 1: standard descriptors and embeddings, each brought to length 1 and weighed.

    columns: descriptors that count (int64), else all that say how music sounds.
    """
    chosen = heard_columns() if columns is None else columns
    parts = (standard(descriptors)[:, chosen], np.asarray(embeddings, dtype=np.float32))
    weights = (share**0.5, (1.0 - share) ** 0.5)
    joined = [w * p / np.maximum(np.linalg.norm(p, axis=1, keepdims=True), 1e-9) for w, p in zip(weights, parts)]
    return np.concatenate(joined, axis=1).astype(np.float32)

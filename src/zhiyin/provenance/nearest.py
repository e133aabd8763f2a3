"""Vectors of the pieces of an originality index, so that the piece that is most alike as a whole can be named.

    nearest.npz beside the index:  vectors int8 (N, D), of length 127 each, in the order of the index's pieces
                                   human float32 (Q,), ascending: the same nearness of human pieces that the index does not hold
                                   about: JSON as bytes (embedding: hash of the package that made them; index: sha256 of the index)

A passage that is shared says what was copied; nearness says only that two pieces are of a kind. Knows no scores, runs no network.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import PackageError
from zhiyin.files import DAMAGED_ARCHIVE, atomic_write

NEAREST = "nearest.npz"
SCALE = 127
MAX_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Vectors:
    """The vectors of an index. vectors: int8 (N, D); human: float32 (Q,), ascending cosines; about: embedding, index."""

    vectors: np.ndarray
    human: np.ndarray
    about: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def _directions(self) -> np.ndarray:
        """The vectors as float32 of length 1, (N, D)."""
        plain = self.vectors.astype(np.float32)
        return plain / np.maximum(np.linalg.norm(plain, axis=1, keepdims=True), 1e-9)

    def near(self, vector: np.ndarray, without: np.ndarray | None = None) -> tuple[int, float]:
        """(number, cosine) of the piece most alike to a vector float32 (D,) of length 1; without: bool (N,), pieces left out."""
        cosine = self._directions @ np.asarray(vector, dtype=np.float32)
        if without is not None:
            cosine = np.where(without, -2.0, cosine)
        best = int(cosine.argmax())
        return best, float(cosine[best])

    def percentile(self, cosine: float) -> float:
        """Share of human pieces, in percent, that are less near to the index than so."""
        return 100.0 * float(np.searchsorted(self.human, cosine)) / max(len(self.human), 1)


def quantised(vectors: np.ndarray) -> np.ndarray:
    """float32 (N, D) of length 1 -> int8 (N, D)."""
    return np.rint(np.clip(vectors, -1, 1) * SCALE).astype(np.int8)


def write_vectors(path: Path, vectors: Vectors) -> Path:
    """Writes the file, atomically; the same vectors give the same bytes."""
    made, about = io.BytesIO(), json.dumps(dict(vectors.about), sort_keys=True)
    np.savez_compressed(made, vectors=vectors.vectors, human=vectors.human.astype(np.float32), about=np.frombuffer(about.encode(), dtype=np.uint8))
    return atomic_write(path, made.getvalue())


def read_vectors(path: Path, pieces: int, index: str) -> Vectors | None:
    """The vectors beside an index of so many pieces (``index``: its sha256); None where there are none, or of another index.

    Raises PackageError where the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path.stat().st_size:,} bytes")
        with np.load(path, allow_pickle=False) as stored:
            found = Vectors(stored["vectors"], stored["human"], json.loads(stored["about"].tobytes()))
        if found.vectors.ndim != 2 or found.vectors.dtype != np.int8 or found.human.ndim != 1:
            raise ValueError(f"vectors {found.vectors.dtype} {found.vectors.shape}")
    except (*DAMAGED_ARCHIVE, ValueError) as e:
        raise PackageError(f"{path.name} cannot be read", expected="the vectors of an index", received=str(e)[:200], hint="zhiyin corpus index CORPUS --nearest makes it anew") from None
    return found if found.about.get("index") == index and len(found.vectors) == pieces else None

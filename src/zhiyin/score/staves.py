"""Which hand plays which note: staves for keyboard parts."""

from __future__ import annotations

import numpy as np

from zhiyin.score.score import Score


def split_staves(score: Score, part: int) -> np.ndarray:
    """Staff (1 top, 2 bottom) of each note of ``part``, shape (notes of the part,)."""
    pitch = score.notes["pitch"][score.notes["part"] == part]
    return np.where(pitch >= 60, 1, 2).astype(np.uint8)

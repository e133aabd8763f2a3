"""A small convolution network over the notes of a piece, on plain arrays: what spelling and staves are decided with.

Residual dilated convolutions without a direction of time (Bai, Kolter and Koltun 2018, "temporal convolutional network",
non-causal): x <- relu(features @ W), then for each dilation d x <- x + relu(x[t - d] A + x[t] B + x[t + d] C + bias),
then a linear layer. Fitted with torch by ``tools/note_network_fit.py``; run here with numpy alone. Knows nothing about
what its features or its outputs mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

DILATIONS = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class NoteNetwork:
    """Weights: ``enter`` (F, W) and bias, ``blocks`` (D, 3, W, W) and (D, W) for D dilations, ``leave`` (W, outputs) and bias."""

    enter: np.ndarray
    enter_bias: np.ndarray
    blocks: np.ndarray
    block_biases: np.ndarray
    leave: np.ndarray
    leave_bias: np.ndarray

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> NoteNetwork:
        """From arrays by field name (float16 on disk), as float32."""
        return cls(**{name: np.asarray(arrays[name], dtype=np.float32) for name in cls.__dataclass_fields__})

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Outputs of shape (notes, outputs) for features (notes, F), both float32, notes in order of time."""
        size, width = len(features), self.enter.shape[1]
        reach = DILATIONS[-1]
        padded = np.zeros((size + 2 * reach, width), dtype=np.float32)
        x = padded[reach : reach + size]
        np.maximum(features @ self.enter + self.enter_bias, 0, out=x)
        for d, (before, here, after), bias in zip(DILATIONS, self.blocks, self.block_biases, strict=True):
            step = x @ here
            step += padded[reach - d : reach - d + size] @ before
            step += padded[reach + d : reach + d + size] @ after
            step += bias
            x += np.maximum(step, 0, out=step)
        out: np.ndarray = x @ self.leave + self.leave_bias
        return out


@cache
def shipped(name: str) -> NoteNetwork:
    """The network in ``zhiyin/data/<name>.npz``."""
    with (files("zhiyin") / "data" / f"{name}.npz").open("rb") as handle:
        return NoteNetwork.from_arrays(np.load(handle, allow_pickle=False))

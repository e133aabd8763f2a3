"""The last touch to an encoder: its vectors are centred and whitened over training windows, inside its own weights.

Contrast leaves a few directions that tell everything coarse and many faint ones that tell pieces apart; whitening
(Su et al. 2021, "Whitening sentence representations") gives them one size. Pooling is a weighted mean of W h_t + b, so
an affine map after it is an affine change of W and b: nothing is added to the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from zhiyin.models.encoder import Encoder

WINDOWS = 2048  # training windows that the covariance is taken over
RIDGE, RIDGE_FEW = 1e-3, 0.1  # added to the eigenvalues, of their mean; the second where windows are few


@torch.no_grad()
def whiten(model: Encoder, batches: Iterable[Mapping[str, np.ndarray]]) -> int:
    """Changes ``model.value`` so that pooled vectors of these windows have mean 0 and covariance ~1, head by head.

    batches: columns (B, T, C), time (B, T). Returns the number of windows.
    """
    model = model.cpu().float().eval()
    pooled = []
    for batch in batches:
        columns, time = torch.from_numpy(batch["columns"]), torch.from_numpy(batch["time"])
        pooled.append(model.pool(model.read(columns, time), columns)[0])
    vectors = torch.cat(pooled).double()  # (N, P, D/P)
    share = vectors.shape[2]
    for head in range(vectors.shape[1]):
        mean, turn = _whitening(vectors[:, head])
        at = slice(head * share, (head + 1) * share)
        model.value.weight[at] = (turn @ model.value.weight[at].double()).float()
        model.value.bias[at] = (turn @ (model.value.bias[at].double() - mean)).float()
    return len(vectors)


def _whitening(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (D,) and the symmetric map (D, D) that whitens vectors (N, D)."""
    mean = vectors.mean(0)
    centred = vectors - mean
    values, axes = torch.linalg.eigh(centred.T @ centred / max(len(vectors) - 1, 1))
    few = len(vectors) < 4 * vectors.shape[1]
    values = values.clamp(min=0) + (RIDGE_FEW if few else RIDGE) * values.mean() + 1e-12
    return mean, (axes * values.rsqrt()) @ axes.T

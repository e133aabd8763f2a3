"""A temporal convolutional network (Bai, Kolter, Koltun 2018): causal, dilated convolutions with residuals.

    block l:  x <- relu(R x + drop relu(C'' drop relu(C' x)))      C', C'': kernel k, dilation 2^l, weight-normalised

R is the identity, or a 1x1 convolution where the width changes. One output sees 1 + 2 (k - 1) (2^L - 1) inputs.
Shapes: B batch, T rows, D width, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


@dataclass(frozen=True)
class TCNSizes:
    """Sizes of a TCN: ``width`` of its inputs, ``hidden`` channels of each of ``layers`` blocks, ``kernel`` rows."""

    width: int = 88
    layers: int = 4
    hidden: int = 150
    kernel: int = 5
    dropout: float = 0.25


class TCN(nn.Module):
    """The trunk. It keeps no state: every call reads its rows from the first."""

    def __init__(self, sizes: TCNSizes) -> None:
        super().__init__()
        self.sizes = sizes
        widths = [sizes.width] + [sizes.hidden] * sizes.layers
        self.blocks = nn.Sequential(*(Block(a, b, 2**i, sizes) for i, (a, b) in enumerate(zip(widths, widths[1:]))))

    def forward(self, x: Tensor, time: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """x (B, T, D) -> h (B, T, C) and an empty state. ``time`` is not needed here."""
        return self.blocks(x.transpose(1, 2)).transpose(1, 2), {}


class Block(nn.Module):
    """Two convolutions and the way around them."""

    def __init__(self, width: int, hidden: int, dilation: int, sizes: TCNSizes) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(_convolution(w, hidden, dilation, sizes.kernel) for w in (width, hidden))
        self.around = nn.Conv1d(width, hidden, 1) if width != hidden else nn.Identity()
        self.dropout = nn.Dropout(sizes.dropout)
        self.past = dilation * (sizes.kernel - 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, T) -> (B, C, T); zeros stand before the first row, so no row sees a later one."""
        y = x
        for convolution in self.convolutions:
            y = self.dropout(F.relu(convolution(F.pad(y, (self.past, 0)))))
        return F.relu(y + self.around(x))


def _convolution(width: int, hidden: int, dilation: int, kernel: int) -> nn.Module:
    layer = nn.Conv1d(width, hidden, kernel, dilation=dilation)
    nn.init.normal_(layer.weight, std=0.01)
    return weight_norm(layer)

"""One embedding table for several integer columns: gather every column's vector and sum. Knows no column by name."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SumTable(nn.Module):
    """Columns with ``sizes[c]`` classes each; the class -1 of any column counts nothing (a row of zeros)."""

    offsets: Tensor

    def __init__(self, sizes: Sequence[int], width: int, scale: float = 0.1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1 + sum(sizes), width) * scale)
        with torch.no_grad():
            self.weight[0] = 0.0
        starts = torch.tensor([1, *sizes[:-1]]).cumsum(0)
        self.register_buffer("offsets", starts, persistent=False)

    def forward(self, columns: Tensor) -> Tensor:
        """columns: int64 (..., C) -> (..., D)."""
        at = columns + self.offsets
        if len(self.offsets) > 1:
            at = torch.where(columns < 0, 0, at)
        if torch.onnx.is_in_onnx_export():
            return F.embedding(at, self.weight, padding_idx=0).sum(-2)
        flat = F.embedding_bag(at.reshape(-1, at.shape[-1]), self.weight, mode="sum", padding_idx=0)
        return flat.view(*at.shape[:-1], self.weight.shape[1])

"""RMSNorm, written out so that every exporter understands it, in the form that onnxruntime makes one node of. Knows nothing of rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """x / rms(x) * gain over the last axis."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D), computed in float32."""
        x = x.float()
        if torch.onnx.is_in_onnx_export():
            return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.gain
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.gain

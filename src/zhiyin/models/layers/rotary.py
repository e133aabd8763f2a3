"""Rotary positions on two clocks: half of the heads turn with the row index, half with musical time in bars."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

ROW_BASE = 10_000.0
SHORTEST_BARS, LONGEST_BARS = 0.25, 128.0  # periods


class TwoClocks(nn.Module):
    """Angles of every head, and the rotation by them."""

    frequencies: Tensor

    def __init__(self, heads: int, head_width: int) -> None:
        super().__init__()
        half = head_width // 2
        ramp = torch.arange(half) / half
        rows = ROW_BASE**-ramp
        bars = 2 * math.pi / (SHORTEST_BARS * (LONGEST_BARS / SHORTEST_BARS) ** (torch.arange(half) / max(half - 1, 1)))
        table = torch.stack([rows if h < heads - heads // 2 else bars for h in range(heads)])
        self.register_buffer("frequencies", table[:, None], persistent=False)  # (H, 1, half)
        self.row_heads = heads - heads // 2
        self.bar_heads = heads // 2

    def forward(self, index: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """index: row numbers (T,), time: bars (B, T) -> cos, sin (B, H, T, D/H), float32: what ``rotate`` takes."""
        rows = index.float().expand_as(time)[:, None].expand(-1, self.row_heads, -1)
        bars = time[:, None].expand(-1, self.bar_heads, -1)
        angle = torch.cat((rows, bars), 1)[..., None] * self.frequencies
        cos, sin = angle.cos(), angle.sin()
        return torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns the halves of each head (..., H, T, D/H) by the angles."""
    half = int(x.shape[-1]) // 2  # int: a constant of an exported graph
    a, b = x.split([half, half], -1)
    return x * cos + torch.cat((b, a), -1) * sin

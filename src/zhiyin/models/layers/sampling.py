"""One class from logits, a legal mask and a uniform number: temperature, min-p, top-p. Exportable."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zhiyin.models.layers.heads import ILLEGAL

COLDEST = 1e-3  # a lower temperature, 0 included, takes the most probable class


@dataclass(frozen=True)
class Draw:
    """How each field is drawn, each (B, 6): uniform in [0, 1), temperature, top_p, min_p, force (class or -1)."""

    uniform: Tensor
    temperature: Tensor
    top_p: Tensor
    min_p: Tensor
    force: Tensor

    def take(self, field: int, logits: Tensor, legal: Tensor) -> tuple[Tensor, Tensor]:
        """logits and legal (B, C) -> class (B,) and its −ln p (B,) under temperature 1 and the mask."""
        logits = logits.masked_fill(~legal, ILLEGAL)
        drawn = self._draw(field, logits)
        force = self.force[:, field]
        value = torch.where(force >= 0, force, drawn)
        return value, -logits.log_softmax(-1).gather(1, value[:, None])[:, 0]

    def _draw(self, field: int, logits: Tensor) -> Tensor:
        """Inverse of the cumulative distribution over the kept classes, most probable first."""
        p = (logits / self.temperature[:, field, None].clamp(min=COLDEST)).softmax(-1)
        p, order = p.topk(logits.shape[-1])
        keep = (p.cumsum(-1) - p < self.top_p[:, field, None]) & (p >= self.min_p[:, field, None] * p[:, :1]) & (p > 0)
        mass = (p * keep.float()).cumsum(-1)
        below = (mass <= self.uniform[:, field, None] * mass[:, -1:]).long().sum(-1)
        last = (keep.long().sum(-1) - 1).clamp(min=0)
        return order.gather(1, torch.minimum(below, last)[:, None])[:, 0]

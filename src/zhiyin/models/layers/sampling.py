"""One class from logits, a legal mask and a uniform number: temperature, min-p, top-p. Exportable, in few graph nodes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zhiyin.models.layers.heads import ILLEGAL

COLDEST = 1e-3  # a lower temperature, 0 included, takes the most probable class
LEAST = 1e-30  # of the most probable class: a class that has less is never drawn


@dataclass(frozen=True)
class Draw:
    """How each field is drawn, each (B, 6): uniform in [0, 1), temperature, top_p, min_p, force (class or -1)."""

    uniform: Tensor
    temperature: Tensor
    top_p: Tensor
    min_p: Tensor
    force: Tensor

    def fields(self) -> tuple[FieldDraw, ...]:
        """How each field is drawn, columns (B, 1)."""
        limits = (self.uniform, self.temperature.clamp(min=COLDEST), self.top_p, self.min_p.clamp(min=LEAST), self.force)
        return tuple(FieldDraw(*columns) for columns in zip(*(t.split(1, -1) for t in limits)))


@dataclass(frozen=True)
class FieldDraw:
    """How one field is drawn, each (B, 1)."""

    uniform: Tensor
    temperature: Tensor
    top_p: Tensor
    min_p: Tensor
    force: Tensor

    def take(self, logits: Tensor, legal: Tensor) -> tuple[Tensor, Tensor]:
        """logits (B, C), legal (B, C) or (1, C) -> class (B, 1) and its ln p (B, 1) under temperature 1 and the mask."""
        logits = torch.where(legal, logits, ILLEGAL)
        value = torch.where(self.force >= 0, self.force, self._draw(logits))
        return value, logits.log_softmax(-1).gather(1, value)

    def _draw(self, logits: Tensor) -> Tensor:
        """Inverse of the cumulative distribution over the kept classes, most probable first: (B, 1).

        What is kept is a beginning of the sorted classes, so one cumulative sum serves for keeping and for drawing; and
        u < 1 times a float is less than that float, so the class found is always a kept one.
        """
        p, order = (logits / self.temperature).softmax(-1).topk(int(logits.shape[-1]))  # int: a constant of the graph
        mass = p.cumsum(-1)
        keep = (mass - p < self.top_p) & (p >= self.min_p * p[:, :1])
        kept = torch.where(keep, mass, 0.0).amax(-1, keepdim=True)
        return order.gather(1, (mass <= self.uniform * kept).long().sum(-1, keepdim=True))

"""A network over rows: row embedding, a trunk of any family, field heads, and the loss in nats.

Shapes: B batch, T rows, N bars, D width. Nothing here knows files, recipes or sampling.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zhiyin.encoding.fields import END, ROW_FIELDS
from zhiyin.models.layers.embedding import CURSOR, LENGTH, RowEmbedding, owners, pick
from zhiyin.models.layers.heads import STEP, VELOCITY, RowHeads, Scene


class Trunk(Protocol):
    """What stands between row embedding and heads: a module of any family."""

    def __call__(
        self, x: Tensor, time: Tensor, state: dict[str, Tensor] | None = None, count: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """x (B, T, D), time in bars (B, T) -> h (B, T, D) and the new state (``state.*`` or ``cache.*``)."""

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """The state before the first row."""


class RowModel(nn.Module):
    """Reads rows, writes the next one. ``family`` and ``sizes`` (a dict) rebuild it through ``catalog.build``."""

    fields = ROW_FIELDS  # what the columns of ``nats`` are

    def __init__(self, family: str, trunk: Trunk, sizes: Any) -> None:
        super().__init__()
        self.family = family
        self.sizes: dict[str, int | float] = asdict(sizes)
        self.embedding = RowEmbedding(sizes.width, sizes.dropout)
        self.trunk: Trunk = trunk
        self.heads = RowHeads(sizes.width, sizes.head_hidden)

    @property
    def parameter_count(self) -> int:
        """Number of trainable numbers."""
        return sum(p.numel() for p in self.parameters())

    def read(self, batch: dict[str, Tensor]) -> Tensor:
        """h (B, T, D) after each input row."""
        x, time = self.embedding(batch["inputs"], batch["bars"], batch["programs"], batch["controls"])
        return self.trunk(x, time)[0]

    def nats(self, batch: dict[str, Tensor]) -> Tensor:
        """−ln p of each target field, float32 (B, T, 6); 0 where nothing is scored.

        batch (int64, ``scored`` bool): inputs (B, T, 9), targets (B, T, 6), previous_pitch (B, T), scored (B, T),
        bars (B, N, 13; length 0 = padding), programs (B, 32), controls (B, 5). At the end of a piece only
        ``bar_step`` counts; a velocity that is not known (0) does not count.
        """
        h, scored = self.read(batch), batch["scored"]
        at = scored.flatten().nonzero()[:, 0]
        owner = owners(scored, scored).flatten()[at]
        nats = self.teach(h.flatten(0, 1)[at], owner, _at(batch, at), batch)
        out = torch.zeros(scored.numel(), nats.shape[1], device=h.device)
        return out.index_copy(0, at, nats).unflatten(0, scored.shape)

    def teach(self, h: Tensor, owner: Tensor, rows: dict[str, Tensor], batch: dict[str, Tensor]) -> Tensor:
        """−ln p (R, 6) of ``rows["targets"]`` (R, 6) from h (R, D), each field seeing the true fields before it."""
        targets, found = rows["targets"], list[Tensor]()

        def choose(field: int, logits: Tensor) -> Tensor:
            found.append(F.cross_entropy(logits, targets[:, field], reduction="none"))
            return targets[:, field]

        self.heads.run(h, self.scene(owner, rows, batch), choose)
        return count_nats(torch.stack(found, -1), targets)

    def scene(self, owner: Tensor, rows: dict[str, Tensor], batch: dict[str, Tensor]) -> Scene:
        """The scene of laid-out rows: ``rows`` with cursor and previous_pitch (R,), ``owner`` their item (R,)."""
        bars = batch["bars"]
        vectors = self.embedding.bars(bars)

        def landing(step: Tensor) -> tuple[Tensor, Tensor]:
            bar = (rows["cursor"] + step).clamp(max=bars.shape[1] - 1)
            return pick(vectors, owner, bar), pick(bars[..., LENGTH], owner, bar)

        return Scene(batch["programs"][owner], landing, lambda part: rows["previous_pitch"])


def _at(batch: dict[str, Tensor], at: Tensor) -> dict[str, Tensor]:
    return {
        "targets": batch["targets"].flatten(0, 1)[at],
        "cursor": batch["inputs"][..., CURSOR].flatten()[at],
        "previous_pitch": batch["previous_pitch"].flatten()[at],
    }


def count_nats(nats: Tensor, targets: Tensor) -> Tensor:
    """Zeroes what is not counted: all but the step at the end, and velocities that are not known. (..., 6)."""
    goes_on = (targets[..., STEP] != END)[..., None]
    field = torch.arange(nats.shape[-1], device=nats.device)
    counted = ((field == STEP) | goes_on) & ((field != VELOCITY) | (targets > 0))
    return torch.where(counted, nats, 0.0)

"""What RNN, LSTM and GRU trunks share: sizes, stacking, dropout after every layer, and a batch-first state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class RecurrentSizes:
    """Sizes of a recurrent trunk. ``width`` of rows and heads, ``hidden`` units of each of ``layers``."""

    width: int = 192
    layers: int = 2
    hidden: int = 384
    window: int = 512
    dropout: float = 0.1
    head_hidden: int = 192


class RecurrentTrunk(nn.Module):
    """A stack of one torch cell type. State: ``state.h`` (and ``state.c``), each (B, layers, hidden)."""

    cell: type[Any]  # nn.RNN, nn.LSTM or nn.GRU
    state_names: tuple[str, ...] = ("state.h",)

    def __init__(self, sizes: RecurrentSizes) -> None:
        super().__init__()
        self.sizes = sizes
        between = sizes.dropout if sizes.layers > 1 else 0.0
        self.layers = self.cell(sizes.width, sizes.hidden, sizes.layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(sizes.dropout)
        self.out = nn.Identity() if sizes.hidden == sizes.width else nn.Linear(sizes.hidden, sizes.width, bias=False)

    def forward(
        self, x: Tensor, time: Tensor, state: dict[str, Tensor] | None = None, count: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """x (B, T, D) -> h (B, T, D) and the state after the last row. ``time`` and ``count`` are not needed here."""
        state = self.initial_state(x.shape[0]) if state is None else state
        stacked = tuple(state[name].to(x.device, x.dtype).transpose(0, 1).contiguous() for name in self.state_names)
        h, after = self.layers(x, stacked if len(stacked) > 1 else stacked[0])
        after = after if isinstance(after, tuple) else (after,)
        new = {name: value.transpose(0, 1) for name, value in zip(self.state_names, after)}
        return self.out(self.dropout(h)), new

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Zeros."""
        return {name: torch.zeros(batch, self.sizes.layers, self.sizes.hidden) for name in self.state_names}

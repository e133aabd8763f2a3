"""A causal Transformer trunk: pre-norm, rotary positions on two clocks, SwiGLU.

    x <- x + Attention(RMSNorm(x));  x <- x + W2(silu(Wg RMSNorm(x)) * Wu RMSNorm(x))

Knows vectors and time, not rows. Shapes: B batch, T rows, D width, H heads, W cache slots.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zhiyin.errors import InputError
from zhiyin.models.layers.norm import RMSNorm
from zhiyin.models.layers.rotary import TwoClocks, rotate


@dataclass(frozen=True)
class TransformerSizes:
    """Sizes of a Transformer. ``hidden``: width inside SwiGLU; ``window``: rows seen at once."""

    width: int = 256
    layers: int = 4
    heads: int = 8
    hidden: int = 688
    window: int = 512
    dropout: float = 0.0
    head_hidden: int = 256

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise InputError(
                "Width and heads do not fit",
                expected="width a multiple of 2 * heads",
                received=f"width {self.width}, heads {self.heads}",
            )


class Transformer(nn.Module):
    """The trunk. State: ``cache.k{l}`` and ``cache.v{l}``, each (B, H, W, D/H), keys already rotated."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.clocks = TwoClocks(sizes.heads, sizes.width // sizes.heads)
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.layers))
        self.norm = RMSNorm(sizes.width)

    def forward(
        self, x: Tensor, time: Tensor, state: dict[str, Tensor] | None = None, count: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """x (B, T, D), time (B, T) -> h (B, T, D) and {"cache.k0": (B, H, T, D/H) …} of these rows.

        With ``state`` and ``count`` (rows read before, a scalar) T must be 1 and the row also sees the cache.
        """
        index = torch.arange(x.shape[1], device=x.device) if count is None else count.reshape(1)
        clock = self.clocks(index, time)
        new: dict[str, Tensor] = {}
        empty = None if state is None or count is None else torch.arange(state["cache.k0"].shape[2], device=x.device) >= count
        for layer, block in enumerate(self.blocks):
            past = None if state is None or empty is None else (state[f"cache.k{layer}"], state[f"cache.v{layer}"], empty)
            x, new[f"cache.k{layer}"], new[f"cache.v{layer}"] = block(x, clock, past)
        return self.norm(x), new

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Empty caches of ``window`` slots."""
        s = self.sizes
        shape = (batch, s.heads, s.window, s.width // s.heads)
        return {f"cache.{kind}{layer}": torch.zeros(shape) for layer in range(s.layers) for kind in "kv"}


class Block(nn.Module):
    """One layer: attention, then SwiGLU, each on a normalised input and added to it."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.norm_attention, self.norm_mlp = RMSNorm(sizes.width), RMSNorm(sizes.width)
        self.qkv = nn.Linear(sizes.width, 3 * sizes.width, bias=False)
        self.out = nn.Linear(sizes.width, sizes.width, bias=False)
        self.up = nn.Linear(sizes.width, 2 * sizes.hidden, bias=False)
        self.down = nn.Linear(sizes.hidden, sizes.width, bias=False)
        self.dropout = nn.Dropout(sizes.dropout)
        for last in (self.out, self.down):
            nn.init.normal_(last.weight, std=last.in_features**-0.5 / math.sqrt(2 * sizes.layers))

    def forward(
        self,
        x: Tensor,
        clock: tuple[Tensor, Tensor],
        past: tuple[Tensor, Tensor, Tensor] | None,
        seen: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, T, D) -> x, keys and values (B, H, T, D/H).

        Causal, unless ``seen`` (added to the scores, (B, 1, 1, T)) says which rows every row may look at.
        """
        if past is not None:
            x, k, v = self._step(x, clock, past)
        else:
            q, k, v = self.qkv(self.norm_attention(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
            cos, sin = (c.to(q.dtype) for c in clock)
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
            if seen is not None:
                found = look_around(q, k, v, seen)
            else:
                found = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.dropout(self.out(found.transpose(1, 2).flatten(2)))
        gate, up = self.up(self.norm_mlp(x)).split(self.down.in_features, -1)
        return x + self.dropout(self.down(F.silu(gate) * up)), k, v

    def _step(
        self, x: Tensor, clock: tuple[Tensor, Tensor], past: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attention of one row (T = 1) over the cache: shapes are constants and queries turn together with keys, as the
        exported graph pays for every node.
        """
        width = int(x.shape[-1]) // self.heads
        rows = self.qkv(self.norm_attention(x)).view(-1, 3, self.heads, 1, width)
        turned, v = rows.split([2, 1], 1)
        cos, sin = clock
        q, k = rotate(turned, cos[:, None], sin[:, None]).unbind(1)
        v = v[:, 0]
        found = look_back(q, k, v, past)
        return x + self.out(found.view(-1, 1, self.heads * width)), k, v


def look_around(q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
    """Every row attends to every row that ``seen`` (B, 1, 1, T) leaves; written out, as its backward pass on CPUs is
    faster than the fused one at these lengths.
    """
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + seen).softmax(-1).to(v.dtype) @ v


def look_back(q: Tensor, k: Tensor, v: Tensor, past: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """One row (T = 1) attends to the filled cache slots and itself, without copying the cache.

    past: keys, values (B, H, W, D/H), and which slots are empty, bool (W,).
    """
    keys, values, empty = past
    scale = int(q.shape[-1]) ** -0.5
    earlier = ((q @ keys.transpose(-1, -2)) * scale).masked_fill(empty, -1e9)  # (B, H, 1, W)
    weights = torch.cat((earlier, (q * k).sum(-1, keepdim=True) * scale), -1).softmax(-1)
    return weights[..., :-1] @ values + weights[..., -1:] * v

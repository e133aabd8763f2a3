"""A bidirectional encoder of windows of rows, pre-trained without labels; one vector per window, poolable over windows.

    hidden rows:   −Σ_f ln p(field f | rows that are seen)                        (masked rows, parallel heads)
    two windows:   −ln  exp(z_i·z_j / τ) / Σ_{k = j, or no kin of i} exp(z_i·z_k / τ)   (NT-Xent)

Pooling is attention with one learnt query per head over all rows: a window gives each head's mean and the logarithm of
its summed weights, so several windows join exactly as if all their rows had been attended to at once.
Shapes: B windows, T rows, C columns, D width, P pooling heads.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zhiyin.encoding.view import HIDDEN_SIZES, VIEW_SIZES
from zhiyin.errors import InputError
from zhiyin.models.layers.heads import FieldHead
from zhiyin.models.layers.norm import RMSNorm
from zhiyin.models.layers.rotary import TwoClocks
from zhiyin.models.layers.table import SumTable
from zhiyin.models.transformer import Block, TransformerSizes

FAR = -1e9  # the score of what is not attended to


@dataclass(frozen=True)
class EncoderSizes:
    """Sizes of an encoder and what its pre-training asks for.

    ``hidden_share``: rows hidden in a window; ``part_dropout``: chance that a part is left out of a window;
    ``contrast``: weight of the contrastive term; ``temperature``: τ.
    """

    width: int = 192
    layers: int = 3
    heads: int = 4
    hidden: int = 512
    head_hidden: int = 192
    pool_heads: int = 1
    dropout: float = 0.0
    hidden_share: float = 0.2
    part_dropout: float = 0.25
    contrast: float = 2.0
    temperature: float = 0.1

    def __post_init__(self) -> None:
        if self.width % self.pool_heads:
            raise InputError(
                "Width and pooling heads do not fit",
                expected="width a multiple of pool_heads",
                received=f"width {self.width}, pool_heads {self.pool_heads}",
            )


class Encoder(nn.Module):
    """Reads windows (``encoding.view``), gives vectors. It offers the training loop what a RowModel offers."""

    family = "embedding"
    fields = (*HIDDEN_SIZES, "contrast")

    def __init__(self, chosen: EncoderSizes) -> None:
        super().__init__()
        self.chosen = chosen
        self.sizes: dict[str, int | float] = asdict(chosen)
        block = TransformerSizes(
            chosen.width, chosen.layers, chosen.heads, chosen.hidden, dropout=chosen.dropout
        )
        self.table = SumTable(tuple(VIEW_SIZES.values()), chosen.width)
        self.norm_in, self.norm_out = RMSNorm(chosen.width), RMSNorm(chosen.width)
        self.clocks = TwoClocks(chosen.heads, chosen.width // chosen.heads)
        self.blocks = nn.ModuleList(Block(block) for _ in range(chosen.layers))
        self.query = nn.Linear(chosen.width, chosen.pool_heads, bias=False)
        self.value = nn.Linear(chosen.width, chosen.width)  # its bias takes away what all music has in common
        self.head = FieldHead(chosen.width, chosen.head_hidden, sum(HIDDEN_SIZES.values()))
        nn.init.zeros_(self.query.weight)  # begins as the mean over rows

    @property
    def parameter_count(self) -> int:
        """Number of trainable numbers."""
        return sum(p.numel() for p in self.parameters())

    def read(self, columns: Tensor, time: Tensor) -> Tensor:
        """columns int64 (B, T, C; state -1 = padding), time in bars (B, T) -> h (B, T, D)."""
        x = self.norm_in(self.table(columns))
        clock = self.clocks(torch.arange(x.shape[1], device=x.device), time)
        seen = far(columns)[:, None, None]
        for block in self.blocks:
            x = block(x, clock, None, seen)[0]
        return self.norm_out(x)

    def pool(self, h: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """h (B, T, D) -> each head's mean (B, P, D/P) and the logarithm of its summed weights (B, P)."""
        score = self.query(h).float() + far(columns)[..., None]  # (B, T, P)
        value = self.value(h).float().unflatten(-1, (self.chosen.pool_heads, -1))
        return (score.softmax(1)[..., None] * value).sum(1), score.logsumexp(1)

    def nats(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss of every hidden row, float32 (B, T, len(fields)); 0 where nothing is hidden.

        batch: columns (B, T, C), time (B, T), targets (B, T, 4), scored bool (B, T) = hidden rows; window i's other half
        is window i ^ 1; kin (B,): windows of one number do not repel. The contrastive term of a window is
        spread over its hidden rows (one at least), so that its mean over rows is the term's mean over windows.
        """
        h = self.read(batch["columns"], batch["time"])
        scored = batch["scored"]
        at = scored.flatten().nonzero()[:, 0]
        logits = self.head(h.flatten(0, 1)[at]).float().split(list(HIDDEN_SIZES.values()), -1)
        targets = batch["targets"].flatten(0, 1)[at]
        found = [F.cross_entropy(part, targets[:, f], reduction="none") for f, part in enumerate(logits)]
        pull = self.chosen.contrast * self.attraction(self.pool(h, batch["columns"])[0].flatten(1), batch["kin"])
        count = scored.sum(1)
        pull = pull * count.float().mean() / count.clamp(min=1)  # every window counts alike, however much of it is hidden
        nats = torch.stack([*found, pull[at // scored.shape[1]]], -1)
        out = torch.zeros(scored.numel(), nats.shape[1], device=h.device)
        return out.index_copy(0, at, nats).unflatten(0, scored.shape)

    def attraction(self, vectors: Tensor, kin: Tensor) -> Tensor:
        """NT-Xent of each window (B,) from its vector (B, D): its partner i ^ 1 against all windows of other kin."""
        with torch.autocast(vectors.device.type, enabled=False):
            z = F.normalize(vectors.float(), dim=-1)
            index = torch.arange(len(z), device=z.device)
            partner = index ^ 1
            apart = (kin[:, None] != kin[None]) | (partner[:, None] == index[None])
            like = (z @ z.T / self.chosen.temperature).masked_fill(~apart, FAR)
            return F.cross_entropy(like, partner, reduction="none")


def far(columns: Tensor) -> Tensor:
    """0 where a row is, FAR at padding: float32 (B, T)."""
    return torch.where(columns[..., 0] < 0, FAR, 0.0)


class EmbedGraph(nn.Module):
    """What is exported: columns, time -> each window's vectors and log weights."""

    input_names = ("columns", "time")
    output_names = ("vector", "weight")

    def __init__(self, model: Encoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, columns: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """columns int64 (B, T, C), time float32 (B, T) -> vector (B, P, D/P), weight (B, P)."""
        return self.model.pool(self.model.read(columns, time), columns)

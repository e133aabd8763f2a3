"""Networks over frames: which keys sound at each step. A trunk reads the frames before; a head says how likely the next is.

    bernoulli:  -ln p(frame) = -Σ_key ln p(key on or off | frames before)             keys independent
    joint:      -ln p(frame) = -Σ_i ln p(pitch_i | frames before, pitch_<i) - ln p(END | …)   pitches ascending

Under the joint head a pitch that is not above the last one has no chance, so the probabilities of all 2^K sets sum to 1.
Shapes: B batch, T frames, K keys, D width, N scored frames, S pitches and ENDs of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FRAMES_PER_BAR = 8.0  # what a Transformer's second clock takes for a bar: its periods are 2 to 1,024 frames
NEIGHBOURS = 12  # semitones either way that the relative part of the joint head looks at
BEFORE = 2  # frames before that it looks at


@dataclass(frozen=True)
class HeadSizes:
    """Sizes of a joint head: ``hidden`` units, ``channels`` of its relative part (0 = none)."""

    hidden: int = 192
    channels: int = 16
    dropout: float = 0.1


class Bernoulli(nn.Module):
    """One sigmoid a key."""

    def __init__(self, width: int, keys: int) -> None:
        super().__init__()
        self.logits = nn.Linear(width, keys)

    def forward(self, h: Tensor, frames: Tensor, scored: Tensor) -> Tensor:
        """h (B, T, D), frames (B, T, K), scored (B, T) -> nats (N,) of the scored frames, in their order."""
        logits = self.logits(h[scored]).float()
        return F.binary_cross_entropy_with_logits(logits, frames[scored].float(), reduction="none").sum(-1)


class Joint(nn.Module):
    """Pitches one after another, ascending, then END.

    Two parts score a pitch: one by its name, from a hidden layer; one by what stands around it (in the frames just before, among the
    pitches below it), with the same weights for every key.
    """

    def __init__(self, width: int, keys: int, sizes: HeadSizes) -> None:
        super().__init__()
        self.keys = keys
        self.context = nn.Linear(width, sizes.hidden)
        self.below = nn.Linear(keys, sizes.hidden, bias=False)
        self.last = nn.Embedding(keys + 1, sizes.hidden)
        self.mix = nn.Linear(sizes.hidden, sizes.hidden)
        self.out = nn.Linear(sizes.hidden, keys + 1)
        self.dropout = nn.Dropout(sizes.dropout)
        self.relative = Relative(sizes) if sizes.channels else None
        nn.init.normal_(self.last.weight, std=0.1)

    def forward(self, h: Tensor, frames: Tensor, scored: Tensor) -> Tensor:
        """h (B, T, D), frames (B, T, K), scored (B, T) -> nats (N,) of the scored frames, in their order."""
        sets = frames[scored].bool()
        owner, target = F.pad(sets, (0, 1), value=True).nonzero(as_tuple=True)  # (S,)
        key = torch.arange(self.keys + 1, device=h.device)
        below = sets[owner] & (key[:-1] < target[:, None])  # (S, K)
        last = torch.where(below, key[:-1] + 1, 0).amax(-1)  # 0 = none yet
        z = self.context(h[scored])[owner] + self.below(below.to(h.dtype)) + self.last(last)
        z = self.dropout(F.silu(z))
        z = self.dropout(z + F.silu(self.mix(z)))
        logits = self.out(z).float()
        if self.relative is not None:
            logits = logits + F.pad(self.relative(z, _before(frames)[scored], owner, below), (0, 1))
        logits = logits.masked_fill(key + 1 <= last[:, None], float("-inf"))
        nats = -logits.log_softmax(-1).gather(-1, target[:, None]).squeeze(-1)
        return torch.zeros(len(sets), device=h.device).index_add_(0, owner, nats)


class Relative(nn.Module):
    """What stands within an octave of each key, through the same small network for all keys, steered by z."""

    def __init__(self, sizes: HeadSizes) -> None:
        super().__init__()
        size = 2 * NEIGHBOURS + 1
        self.past = nn.Conv1d(BEFORE, sizes.channels, size, padding=NEIGHBOURS)
        self.below = nn.Conv1d(1, sizes.channels, size, padding=NEIGHBOURS, bias=False)
        self.shift = nn.Linear(sizes.hidden, sizes.channels)
        self.weigh = nn.Linear(sizes.hidden, sizes.channels)

    def forward(self, z: Tensor, past: Tensor, owner: Tensor, below: Tensor) -> Tensor:
        """z (S, hidden), past (N, BEFORE, K), owner (S,), below (S, K) -> scores (S, K)."""
        around = self.past(past.to(z.dtype))[owner] + self.below(below[:, None].to(z.dtype))
        found = F.relu(around + self.shift(z)[..., None])  # (S, C, K)
        return (self.weigh(z)[:, None] @ found).squeeze(1).float()


def _before(frames: Tensor) -> Tensor:
    """(B, T, K) -> (B, T, BEFORE, K): the frames one and two steps before each."""
    return torch.stack([F.pad(frames, (0, 0, n, 0))[:, : frames.shape[1]] for n in range(1, BEFORE + 1)], 2)


class FrameModel(nn.Module):
    """Trunk and head over frames of ``keys`` keys. It offers the training loop what a RowModel offers."""

    fields = ("frame",)

    def __init__(self, trunk: Any, head: str, keys: int = 88, sizes: HeadSizes | None = None) -> None:
        super().__init__()
        width = trunk.sizes.width
        out = trunk.sizes.hidden if not hasattr(trunk, "initial_state") else width
        self.keys = keys
        self.embed = nn.Identity() if width == keys else nn.Linear(keys, width)
        self.begin = nn.Parameter(torch.zeros(width))
        self.trunk = trunk
        self.head = Bernoulli(out, keys) if head == "bernoulli" else Joint(out, keys, sizes or HeadSizes())

    def nats(self, batch: dict[str, Tensor]) -> Tensor:
        """-ln p of every scored frame given all frames before it: (B, T, 1), 0 where not scored.

        ``batch``: frames (B, T, K) of 0 and 1, scored (B, T) of bool.
        """
        frames, scored = batch["frames"].float(), batch["scored"]
        x = self.embed(F.pad(frames, (0, 0, 1, 0))[:, :-1])
        x = torch.cat((x[:, :1] + self.begin, x[:, 1:]), 1)
        time = torch.arange(x.shape[1], device=x.device).expand(x.shape[:2]) / FRAMES_PER_BAR
        h, _ = self.trunk(x, time)
        nats = torch.zeros(scored.shape, device=x.device)
        nats[scored] = self.head(h, frames, scored).float()
        return nats[..., None]

"""How likely is the next frame? Two heads over the keys that sound in it.

    bernoulli:  -ln p(frame) = -Σ_key ln p(key on or off | past)                           keys independent
    joint:      -ln p(frame) = -Σ_i ln p(pitch_i | past, pitch_<i) - ln p(END | past, …)   pitches ascending

Under the joint head a pitch that is not above the last one has no chance, so the probabilities of all 2^K sets sum to 1.
Shapes: N scored frames, K keys, D width, C channels, P planes, S pitches and ENDs of all frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NEIGHBOURS = 12  # semitones either way that the relative part looks at in the past
REACH = 25  # and, less one, downwards in the frame itself
DEGREES = 12


@dataclass(frozen=True)
class HeadSizes:
    """Sizes of a head: ``hidden`` units; ``channels`` of its relative part (0 = none), which reads ``planes`` tables of the keys from ``low`` to

    below ``high`` (0 = all).
    """

    hidden: int = 192
    channels: int = 0
    planes: int = 2
    low: int = 0
    high: int = 0
    dropout: float = 0.1


@dataclass(frozen=True)
class Scene:
    """What a head knows of the scored frames: h (N, D) of the trunk, planes (N, P, K) of the past, degree (N,) of key 0 in the scale (0 … 11)."""

    h: Tensor
    planes: Tensor
    degree: Tensor


class Bernoulli(nn.Module):
    """One sigmoid a key."""

    def __init__(self, width: int, keys: int, sizes: HeadSizes) -> None:
        super().__init__()
        self.logits = nn.Linear(width, keys)
        self.relative = Relative(width, keys, sizes) if sizes.channels else None

    def forward(self, scene: Scene, sets: Tensor) -> Tensor:
        """Sets bool (N, K) -> nats (N,)."""
        logits = self.logits(scene.h).float()
        if self.relative is not None:
            logits = logits + self.relative(scene, scene.h, torch.arange(len(sets), device=sets.device), None)
        return F.binary_cross_entropy_with_logits(logits, sets.float(), reduction="none").sum(-1)


class Joint(nn.Module):
    """Pitches one after another, ascending, then END.

    Two parts score a pitch: one by its name, from a hidden layer; one by what stands around it (in the planes of the past, among the pitches
    below it), with the same weights for every key.
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
        self.relative = Relative(sizes.hidden, keys, sizes) if sizes.channels else None
        nn.init.normal_(self.last.weight, std=0.1)

    def forward(self, scene: Scene, sets: Tensor) -> Tensor:
        """Sets bool (N, K) -> nats (N,)."""
        owner, target = F.pad(sets, (0, 1), value=True).nonzero(as_tuple=True)  # (S,)
        key = torch.arange(self.keys + 1, device=sets.device)
        below = sets[owner] & (key[:-1] < target[:, None])  # (S, K)
        last = torch.where(below, key[:-1] + 1, 0).amax(-1)  # 0 = none yet
        z = self.context(scene.h)[owner] + self.below(below.to(scene.h.dtype)) + self.last(last)
        z = F.silu(z)
        z = self.dropout(z + F.silu(self.mix(z)))
        logits = self.out(z).float()
        if self.relative is not None:
            logits = logits + F.pad(self.relative(scene, z, owner, below), (0, 1))
        logits = logits.masked_fill(key + 1 <= last[:, None], float("-inf"))
        nats = -logits.log_softmax(-1).gather(-1, target[:, None]).squeeze(-1)
        return torch.zeros(len(sets), device=sets.device).index_add_(0, owner, nats)


class Relative(nn.Module):
    """What stands within an octave of each key, and the key's degree, through the same small network for all keys, steered by z."""

    def __init__(self, width: int, keys: int, sizes: HeadSizes) -> None:
        super().__init__()
        self.low, self.high = sizes.low, sizes.high or keys
        count, wide = self.high - self.low, 2 * sizes.channels
        self.past = nn.Conv1d(sizes.planes, wide, 2 * NEIGHBOURS + 1, padding=NEIGHBOURS)
        self.up = nn.Conv1d(wide, sizes.channels, 1)
        self.below = nn.Parameter(torch.randn(REACH + 1, sizes.channels) * 0.1)  # by semitones under a key
        self.degrees = nn.Parameter(torch.zeros(sizes.channels, DEGREES))
        self.shift = nn.Linear(width, sizes.channels)
        self.weigh = nn.Linear(width, sizes.channels)
        key = torch.arange(count)
        under = key - key[:, None]  # (sounding, key)
        self.register_buffer("under", torch.where((under > 0) & (under < REACH), under, REACH), persistent=False)
        self.keys = keys

    def forward(self, scene: Scene, z: Tensor, owner: Tensor, below: Tensor | None) -> Tensor:
        """z (S, width), owner (S,) of each among the scene's frames, below (S, K) -> scores (S, K), 0 outside the keys it knows."""
        key = torch.arange(self.low, self.high, device=z.device)
        degree = (key + scene.degree[:, None]) % DEGREES  # (N, keys)
        planes = scene.planes[..., self.low : self.high].to(z.dtype)
        around = self.up(F.silu(self.past(planes))) + self.degrees[:, degree].transpose(0, 1)
        around = around[owner] + self.shift(z)[..., None]
        if below is not None:
            kernel = self.below * (torch.arange(REACH + 1, device=z.device) < REACH)[:, None]
            table = kernel[torch.as_tensor(self.under)].transpose(1, 2).flatten(1)  # (keys, C * keys)
            around = around + (below[:, self.low : self.high].to(z.dtype) @ table.to(z.dtype)).unflatten(1, (-1, len(key)))
        scores = (self.weigh(z)[:, None] @ F.silu(around)).squeeze(1)
        return F.pad(scores.float(), (self.low, self.keys - self.high))

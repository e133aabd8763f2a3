"""Networks over frames: which keys sound at each step. A trunk of any family reads the frames before; a head says how likely the next is.

Shapes: B batch, T frames, K keys, D width, R places of recall.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from zhiyin.errors import TrainingError, near_names
from zhiyin.models import catalog
from zhiyin.models.layers.frame_heads import Bernoulli, HeadSizes, Joint, Scene
from zhiyin.models.tcn import TCN, TCNSizes

TRUNKS = {**catalog.FAMILIES, "tcn": (TCNSizes, TCN)}
HEADS = {"bernoulli": Bernoulli, "joint": Joint}

FRAMES_PER_BAR = 8.0  # what a Transformer's second clock takes for a bar: its periods are 2 to 1,024 frames
BEFORE = 3  # frames before that the relative part of a head sees
PHASES = 16  # a learnt place for the number of the frame modulo this
LENGTH_CLASSES = 9  # of a recall's match
PLACES = 4  # where a recall looks
FURTHEST = 12  # semitones that training may move a piece


@dataclass(frozen=True)
class Extras:
    """What a network is given beside the frames before: ``recall`` (what followed earlier matches), ``phase`` (the frame's number),

    ``moved`` (by how much training moved the piece; 0 when measured).
    """

    recall: bool = False
    phase: bool = False
    moved: bool = False


class FrameModel(nn.Module):
    """Trunk and head over frames of ``keys`` keys. It offers the training loop what a RowModel offers."""

    fields = ("frame",)

    def __init__(self, trunk: Any, head: str, keys: int, sizes: HeadSizes, extras: Extras) -> None:
        super().__init__()
        width = trunk.sizes.width
        out = width if hasattr(trunk, "initial_state") else trunk.sizes.hidden
        self.keys, self.extras, self.trunk = keys, extras, trunk
        self.embed = nn.Identity() if width == keys else nn.Linear(keys, width)
        self.begin = nn.Parameter(torch.zeros(width))
        self.dropout = nn.Dropout(sizes.dropout if any(vars(extras).values()) else 0.0)
        if extras.recall:
            self.recalled = nn.Linear(PLACES * keys, width)
            self.length = nn.Embedding(PLACES * LENGTH_CLASSES, width)
        self.phase = nn.Embedding(PHASES, width) if extras.phase else None
        self.moved = nn.Embedding(2 * FURTHEST + 1, width) if extras.moved else None
        self.head = HEADS[head](out, keys, sizes)

    @property
    def parameter_count(self) -> int:
        """Number of trainable numbers."""
        return sum(p.numel() for p in self.parameters())

    def nats(self, batch: dict[str, Tensor]) -> Tensor:
        """-ln p of every scored frame given what stands before it in its piece: (B, T, 1), 0 where not scored.

        ``batch``: frames (B, T, K) of 0 and 1; before (B, BEFORE, K), the frames just before the first; at (B,), the number of the first frame in
        its piece; scored (B, T) bool; moved (B,) semitones; with recall: shares (B, T, R, K) 0 … 255 and lengths (B, T, R).
        """
        frames, scored = batch["frames"], batch["scored"]
        past = self._past(frames, batch["before"])  # (B, T, BEFORE, K)
        number = batch["at"][:, None] + torch.arange(frames.shape[1], device=frames.device)
        h, _ = self.trunk(self._read(past[:, :, 0], number, batch), number / FRAMES_PER_BAR)
        planes = past[scored]
        if self.extras.recall:
            sure = torch.cat((batch["shares"] / 255.0, batch["shares"] * (batch["lengths"] > 3)[..., None] / 255.0), 2)
            planes = torch.cat((planes, sure[scored]), 1)
        degree = (-batch["moved"][:, None] % 12).expand(scored.shape)[scored]
        nats = torch.zeros(scored.shape, device=frames.device)
        nats[scored] = self.head(Scene(h[scored], planes, degree), frames[scored].bool()).float()
        return nats[..., None]

    def _past(self, frames: Tensor, before: Tensor) -> Tensor:
        """The frames one, two … steps before each."""
        line, count = torch.cat((before, frames), 1).float(), frames.shape[1]
        return torch.stack([line[:, BEFORE - n : BEFORE - n + count] for n in range(1, BEFORE + 1)], 2)

    def _read(self, last: Tensor, number: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """What the trunk is given at each step (B, T, D)."""
        x = self.embed(last) + self.begin * (number == 0)[..., None]
        if self.extras.recall:
            x = x + self.recalled(batch["shares"].flatten(2) / 255.0)
            x = x + self.length(batch["lengths"] + LENGTH_CLASSES * torch.arange(PLACES, device=x.device)).sum(2)
        if self.phase is not None:
            x = x + self.phase(number % PHASES)
        if self.moved is not None:
            x = x + self.moved(batch["moved"] + FURTHEST)[:, None]
        return self.dropout(x)


def build_frames(family: str, head: str, keys: int, **sizes: Any) -> FrameModel:
    """A fresh network; ``sizes`` are those of the trunk, ``head_hidden``, ``channels``, ``low``, ``high``, and the names of Extras (0 or 1)."""
    if family not in TRUNKS:
        raise TrainingError("Unknown family", expected=f"one of {', '.join(TRUNKS)}", received=repr(family), hint=f"try {near_names(family, TRUNKS)}")
    if head not in HEADS:
        raise TrainingError("Unknown head", expected=f"one of {', '.join(HEADS)}", received=repr(head))
    config: Any
    trunk: Any
    config, trunk = TRUNKS[family]
    own = {f.name for f in fields(config)}
    chosen = config(**({k: v for k, v in sizes.items() if k in own} | ({} if "width" in sizes else {"width": keys})))
    extras = Extras(**{f.name: bool(sizes.get(f.name, False)) for f in fields(Extras)})
    head_sizes = HeadSizes(
        hidden=int(sizes.get("head_hidden", 192)),
        channels=int(sizes.get("channels", 0)),
        planes=BEFORE + 2 * PLACES * extras.recall,
        low=int(sizes.get("low", 0)),
        high=int(sizes.get("high", 0)),
        dropout=float(sizes.get("head_dropout", sizes.get("dropout", 0.0))),
    )
    return FrameModel(trunk(chosen), head, keys, head_sizes, extras)

"""A generative adversarial network over bars of several parts as a roll (``encoding.bar_roll``).

    critic:     E[D(G(z))] − E[D(x)] + λ · E[(‖∇ D(x̂)‖ − 1)²],  x̂ between a real and a written window
    generator:  −E[D(G(z))]

Noise: one vector for the window, one for every bar, one for every part, one for every part and bar. The outputs are binary: the
gradient passes straight through the threshold (Bengio 2013; Dong and Yang 2018). Loss after Gulrajani et al. 2017. Shapes: B
windows, K parts, N bars, 16 slots, P pitches, 2 cells.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zhiyin.encoding.bar_roll import PITCHES
from zhiyin.encoding.sixteenths import BAR_LENGTHS, BAR_SLOTS
from zhiyin.errors import InputError

BEAT = 4
OCTAVE = 12


@dataclass(frozen=True)
class GANSizes:
    """Sizes of a GAN and what its training asks for. bars, lines (parts): of a window; noise: numbers of each noise vector;
    critic_steps: critic updates for one of the generator; penalty: λ."""

    bars: int = 4
    lines: int = 4
    noise: int = 32
    width: int = 128
    channels: int = 8
    critic_channels: int = 32
    critic_steps: int = 2
    penalty: float = 10.0

    def __post_init__(self) -> None:
        if not (1 <= self.bars <= 16 and 1 <= self.lines <= 8):
            raise InputError("Window out of range", expected="1..16 bars, 1..8 parts", received=f"{self.bars} bars, {self.lines} parts")


class GAN(nn.Module):
    """Generator and critic. The adversarial loop trains them in turn."""

    family = "gan"

    def __init__(self, chosen: GANSizes) -> None:
        super().__init__()
        self.chosen = chosen
        self.sizes: dict[str, int | float] = asdict(chosen)
        self.generator, self.critic = Generator(chosen), Critic(chosen)

    @property
    def parameter_count(self) -> int:
        """Number of trainable numbers of the generator."""
        return sum(p.numel() for p in self.generator.parameters())

    def noise(self, count: int) -> Tensor:
        """Fresh noise (count, 1 + N + K + K N, Z)."""
        c = self.chosen
        return torch.randn(count, 1 + c.bars + c.lines + c.bars * c.lines, c.noise, device=next(self.parameters()).device)

    def critic_loss(self, real: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(loss, how far the critic tells real from written) for real rolls (B, K, N, 16, P, 2)."""
        with torch.no_grad():
            made = self.generator(self.noise(len(real)), length)
        between = torch.lerp(made, real, torch.rand(len(real), 1, 1, 1, 1, 1, device=real.device)).requires_grad_(True)
        (slope,) = torch.autograd.grad(self.critic(between, length).sum(), between, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        apart = self.critic(real, length).mean() - self.critic(made, length).mean()
        return self.chosen.penalty * penalty - apart, apart.detach()

    def generator_loss(self, length: Tensor) -> Tensor:
        """Loss of the generator over as many windows as lengths (B,)."""
        return -self.critic(self.generator(self.noise(len(length)), length), length).mean()


class Generator(nn.Module):
    """Noise -> roll. A window's bars are joined by a GRU, a part's bar is grown by transposed convolutions shared by all parts."""

    def __init__(self, c: GANSizes) -> None:
        super().__init__()
        self.chosen = c
        self.length = nn.Embedding(len(BAR_LENGTHS), c.width)
        self.join = nn.Linear(4 * c.noise, c.width)
        self.over_bars = nn.GRU(c.width, c.width, batch_first=True)
        self.part = nn.Embedding(c.lines, c.width)
        self.grow = nn.Linear(c.width, 4 * c.channels * BEAT * (PITCHES // OCTAVE))
        self.voices = nn.Embedding(c.lines, 2 * c.channels)
        self.slots = nn.ConvTranspose2d(4 * c.channels, 2 * c.channels, (BEAT, 1), (BEAT, 1))
        self.pitches = nn.ConvTranspose2d(2 * c.channels, c.channels, (1, OCTAVE), (1, OCTAVE))
        self.register = nn.Parameter(torch.full((c.lines, PITCHES, 2), -2.0))
        self.out = nn.Conv2d(c.channels, 2, (3, 5), padding=(1, 2))

    def logits(self, noise: Tensor, length: Tensor) -> Tensor:
        """noise (B, 1 + N + K + K N, Z), length (B,) -> logits (B, K, N, 16, P, 2)."""
        c, b = self.chosen, noise.shape[0]  # not len: that would be frozen in the exported graph
        whole, bar, part, both = noise.split([1, c.bars, c.lines, c.bars * c.lines], 1)
        shape = (b, c.lines, c.bars, c.noise)
        parts = (whole[:, None].expand(shape), bar[:, None].expand(shape), part[:, :, None].expand(shape), both.reshape(shape))
        x = self.join(torch.cat(parts, -1)) + self.length(length)[:, None, None] + self.part.weight[:, None]
        x = x + self.over_bars(x.mean(1))[0][:, None]  # what the parts of a bar share, in the order of bars
        x = self.grow(F.leaky_relu(x, 0.2)).reshape(b * c.lines * c.bars, 4 * c.channels, BEAT, PITCHES // OCTAVE)
        x = self.slots(F.leaky_relu(x, 0.2)).unflatten(0, (b, c.lines, c.bars)) + self.voices.weight[:, None, :, None, None]
        x = F.leaky_relu(self.pitches(F.leaky_relu(x.flatten(0, 2), 0.2)), 0.2)
        out = self.out(x).permute(0, 2, 3, 1).reshape(b, c.lines, c.bars, BAR_SLOTS, PITCHES, 2)
        return out + self.register[:, None, None]

    def forward(self, noise: Tensor, length: Tensor) -> Tensor:
        """A binary roll (B, K, N, 16, P, 2); gradients pass straight through. Nothing sounds past the end of a bar."""
        soft = torch.sigmoid(self.logits(noise, length))
        hard = (soft > 0.5).to(soft.dtype) + soft - soft.detach()
        sounds = hard[..., :1]
        return torch.cat((sounds, hard[..., 1:] * sounds), -1) * inside(length)


class Critic(nn.Module):
    """Roll -> one number. Convolutions over time and pitch, all parts side by side; chroma and onsets beside them."""

    def __init__(self, c: GANSizes) -> None:
        super().__init__()
        d = c.critic_channels
        self.octaves = nn.Conv2d(2 * c.lines, d, (1, OCTAVE), (1, OCTAVE))
        self.notes = nn.Conv2d(2 * c.lines, d, (BEAT, 5), (BEAT, 4), padding=(0, 2))
        self.beats = nn.Conv2d(d, 2 * d, (BEAT, 2), (BEAT, 2))
        self.more = nn.Conv2d(d, 2 * d, (BEAT, 3), (BEAT, 3))
        self.chroma = nn.Linear(2 * c.lines * OCTAVE, d)
        size = 2 * d * c.bars * 4 * (PITCHES // OCTAVE // 2) + 2 * d * c.bars * (PITCHES // 4 // 3) + d * c.bars * BAR_SLOTS // BEAT
        self.length = nn.Embedding(len(BAR_LENGTHS), 2 * d)
        self.read = nn.Linear(size, 2 * d)
        self.out = nn.Linear(2 * d, 1)

    def forward(self, roll: Tensor, length: Tensor) -> Tensor:
        """roll (B, K, N, 16, P, 2), length (B,) -> (B,)."""
        b, k, n = roll.shape[:3]
        x = roll.permute(0, 1, 5, 2, 3, 4).reshape(b, 2 * k, n * BAR_SLOTS, PITCHES)
        far = F.leaky_relu(self.beats(F.leaky_relu(self.octaves(x), 0.2)), 0.2)
        near = F.leaky_relu(self.more(F.leaky_relu(self.notes(x), 0.2)), 0.2)
        folded = x.reshape(b, 2 * k, n * BAR_SLOTS // BEAT, BEAT, PITCHES // OCTAVE, OCTAVE).sum((3, 4))
        tones = F.leaky_relu(self.chroma(folded.permute(0, 2, 1, 3).flatten(2)), 0.2)
        h = self.read(torch.cat((far.flatten(1), near.flatten(1), tones.flatten(1)), 1)) + self.length(length)
        out: Tensor = self.out(F.leaky_relu(h, 0.2))[:, 0]
        return out


def inside(length: Tensor) -> Tensor:
    """1 in the slots of a bar, 0 past its end: (B, 1, 1, 16, 1, 1)."""
    slots = torch.tensor(BAR_LENGTHS, device=length.device)[length]
    return (torch.arange(BAR_SLOTS, device=length.device) < slots[:, None]).float()[:, None, None, :, None, None]


class GenerateGraph(nn.Module):
    """What is exported: noise, length -> the binary roll."""

    input_names, output_names = ("noise", "length"), ("roll",)

    def __init__(self, model: GAN) -> None:
        super().__init__()
        self.generator = model.generator

    def forward(self, noise: Tensor, length: Tensor) -> Tensor:
        """noise (B, 1 + N + K + K N, Z), length (B,) -> roll float32 (B, K, N, 16, P, 2) of 0 and 1."""
        cells = (self.generator.logits(noise, length) > 0).float()
        return torch.cat((cells[..., :1], cells[..., 1:] * cells[..., :1]), -1) * inside(length)

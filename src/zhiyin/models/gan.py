"""A generative adversarial network over bars of several parts as a roll (``encoding.bar_roll``).

    critic:     E[D(G(z))] − E[D(x)] + λ · E[(‖∇ D(x̂)‖ − 1)²],  x̂ between a real and a written window
    generator:  −E[D(G(z))]

Noise: one vector for the window, one for every bar, one for every part, one for every part and bar, and one for every slot of those. The outputs are binary: the
gradient passes straight through the choice, which is drawn: noise turns into Gumbel numbers that are added to the logits (Jang et al.,
Maddison et al. 2017; Kusner and Hernández-Lobato 2016 for GANs). Loss after Gulrajani et al. 2017. Shapes: B
windows, K parts, N bars, 16 slots, P pitches, 2 cells.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zhiyin.encoding.bar_roll import PITCHES, noise_vectors
from zhiyin.encoding.sixteenths import BAR_LENGTHS, BAR_SLOTS
from zhiyin.errors import InputError

BEAT = 4
OCTAVE = 12


@dataclass(frozen=True)
class GANSizes:
    """Sizes of a GAN and what its training asks for. bars, lines (parts): of a window; noise: numbers of each noise vector;
    slot_width: numbers of a slot of a part;
    critic_steps: critic updates for one of the generator; penalty: λ."""

    bars: int = 4
    lines: int = 4
    noise: int = 76
    width: int = 128
    slot_width: int = 64
    critic_channels: int = 32
    critic_steps: int = 2
    penalty: float = 10.0

    def __post_init__(self) -> None:
        if self.noise < PITCHES + 2:
            raise InputError("Noise out of range", expected=f"at least {PITCHES + 2} numbers", received=str(self.noise))
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
        """Fresh noise (count, V, Z): V = 1 + N + K + 17 K N vectors."""
        c = self.chosen
        return torch.randn(count, noise_vectors(c.bars, c.lines), c.noise, device=next(self.parameters()).device)

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
    """Noise -> roll. A GRU joins a window's bars, every bar unfolds into slots, convolutions over time let slots hear each other.

    In each slot a part goes on with what it had, or chooses among the pitches and silence: a line of one note at a time.
    """

    def __init__(self, c: GANSizes) -> None:
        super().__init__()
        self.chosen, d = c, c.slot_width
        self.length = nn.Embedding(len(BAR_LENGTHS), c.width)
        self.join = nn.Linear(4 * c.noise, c.width)
        self.over_bars = nn.GRU(c.width, c.width, batch_first=True)
        self.part = nn.Embedding(c.lines, c.width)
        for told in (self.length, self.part):
            nn.init.normal_(told.weight, std=0.3)  # the noise speaks louder than what it is told
        self.mix = nn.Sequential(nn.LeakyReLU(0.2), nn.Linear(c.width, 2 * c.width), nn.LeakyReLU(0.2), nn.Linear(2 * c.width, c.width))
        self.unfold = nn.Linear(c.width, BAR_SLOTS * d)
        self.together = nn.Linear(c.lines * d, c.lines * d)
        self.over_time = nn.ModuleList(nn.Conv1d(d, d, 5, padding=2 * apart, dilation=apart) for apart in (1, 2, 4))
        self.register = nn.Parameter(torch.zeros(c.lines, 1, PITCHES + 2))  # what each part chooses anyway
        self.out = nn.Linear(d, PITCHES + 2)

    def logits(self, noise: Tensor, length: Tensor) -> Tensor:
        """noise (B, V, Z), length (B,) -> logits (B, K, N, 16, P + 2): the pitches, silence, goes on."""
        c, b = self.chosen, noise.shape[0]  # not len: that would be frozen in the exported graph
        each = c.bars * c.lines
        whole, bar, part, both, slot = noise.split([1, c.bars, c.lines, each, each * BAR_SLOTS], 1)
        shape = (b, c.lines, c.bars, c.noise)
        parts = (whole[:, None].expand(shape), bar[:, None].expand(shape), part[:, :, None].expand(shape), both.reshape(shape))
        x = self.join(torch.cat(parts, -1)) + self.length(length)[:, None, None] + self.part.weight[:, None]
        x = x + self.over_bars(x.mean(1))[0][:, None]  # what the parts of a bar share, in the order of bars
        x = x + self.mix(x)
        x = self.unfold(F.leaky_relu(x, 0.2)).reshape(b, c.lines, c.bars * BAR_SLOTS, c.slot_width)
        beside = self.together(F.leaky_relu(x, 0.2).permute(0, 2, 1, 3).flatten(2))  # every part hears the others' slot
        x = (x + beside.unflatten(-1, (c.lines, c.slot_width)).permute(0, 2, 1, 3)).flatten(0, 1).transpose(1, 2)
        for layer in self.over_time:
            x = x + layer(F.leaky_relu(x, 0.2))
        out = self.out(F.leaky_relu(x.transpose(1, 2), 0.2)).reshape(b, c.lines, c.bars * BAR_SLOTS, PITCHES + 2) + self.register
        chance = slot.reshape(b, c.lines, c.bars * BAR_SLOTS, c.noise)[..., : PITCHES + 2]
        return (out + gumbel(chance)).reshape(b, c.lines, c.bars, BAR_SLOTS, PITCHES + 2)

    @torch.no_grad()
    def begin_with(self, rolls: Tensor) -> None:
        """Makes every part choose as often as in real rolls (W, K, N, 16, P, 2), before anything is learnt of their order."""
        sounds = rolls[..., 0].flatten(2, 3)  # (W, K, T, P)
        silent = 1 - sounds.amax(-1, keepdim=True)
        states = torch.cat((sounds, silent), -1)
        before = torch.cat((torch.zeros_like(states[:, :, :1]), states[:, :, :-1]), 2)
        holds = (states * before).sum(-1) * (1 - rolls[..., 1].flatten(2, 3).amax(-1))  # (W, K, T)
        chosen = (states * (1 - holds)[..., None]).sum((0, 2)) + 1
        rate = holds.mean((0, 2)).clamp(0.02, 0.98)
        self.register[:, 0, :-1] = (chosen / chosen.sum(-1, keepdim=True)).log()
        self.register[:, 0, -1] = (rate / (1 - rate)).log()

    def forward(self, noise: Tensor, length: Tensor) -> Tensor:
        """A binary roll (B, K, N, 16, P, 2); gradients pass straight through. Nothing sounds past the end of a bar."""
        logits, there = self.logits(noise, length), inside(length)[..., 0]  # (B, 1, 1, 16, 1)
        line, holds = logits[..., :-1].softmax(-1), torch.sigmoid(logits[..., -1:])
        chosen = (F.one_hot(line.argmax(-1), PITCHES + 1) + (line - line.detach()))[..., :-1].flatten(2, 3)
        holds = 1 - (1 - ((holds > 0.5).to(holds.dtype) + (holds - holds.detach()))) * there  # what is not there changes nothing
        sounds = self._held(chosen, holds.flatten(2, 3))
        roll = torch.stack((sounds, sounds * (1 - holds.flatten(2, 3))), -1)
        return roll.unflatten(2, (self.chosen.bars, BAR_SLOTS)) * there[..., None]

    @staticmethod
    def _held(chosen: Tensor, holds: Tensor) -> Tensor:
        """What sounds: s_t = h_t s_{t−1} + (1 − h_t) c_t, s_{−1} = 0; chosen (B, K, T, P), holds (B, K, T, 1)."""
        now, found = torch.zeros_like(chosen[:, :, 0]), []
        for c, h in zip(chosen.unbind(2), holds.unbind(2)):
            now = c + h * (now - c)
            found.append(now)
        return torch.stack(found, 2)


class Critic(nn.Module):
    """Roll -> one number. Convolutions over time and pitch, all parts side by side; chroma and onsets beside them.

    It also sees how much the windows of a batch differ (minibatch deviation, Karras et al. 2018), so that a generator that repeats itself is told.
    """

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
        self.out = nn.Linear(2 * d + 1, 1)

    def forward(self, roll: Tensor, length: Tensor) -> Tensor:
        """roll (B, K, N, 16, P, 2), length (B,) -> (B,)."""
        b, k, n = roll.shape[:3]
        x = roll.permute(0, 1, 5, 2, 3, 4).reshape(b, 2 * k, n * BAR_SLOTS, PITCHES)
        far = F.leaky_relu(self.beats(F.leaky_relu(self.octaves(x), 0.2)), 0.2)
        near = F.leaky_relu(self.more(F.leaky_relu(self.notes(x), 0.2)), 0.2)
        folded = x.reshape(b, 2 * k, n * BAR_SLOTS // BEAT, BEAT, PITCHES // OCTAVE, OCTAVE).sum((3, 4))
        tones = F.leaky_relu(self.chroma(folded.permute(0, 2, 1, 3).flatten(2)), 0.2)
        found = torch.cat((far.flatten(1), near.flatten(1), tones.flatten(1)), 1)
        h = F.leaky_relu(self.read(found) + self.length(length), 0.2)
        differ = ((found - found.mean(0)).square().mean(0) + 1e-8).sqrt().mean().expand(b, 1)
        out: Tensor = self.out(torch.cat((h, differ), 1))[:, 0]
        return out


def gumbel(noise: Tensor) -> Tensor:
    """Normal numbers (..., P + 2) as standard Gumbel numbers; the last as a logistic one, as "goes on" is one yes or no."""
    share = (0.5 * (1 + torch.erf(noise * 0.5**0.5))).clamp(1e-6, 1 - 1e-6)
    return torch.cat((-torch.log(-torch.log(share[..., :-1])), torch.log(share[..., -1:] / (1 - share[..., -1:]))), -1)


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
        """noise (B, V, Z), length (B,) -> roll float32 (B, K, N, 16, P, 2) of 0 and 1."""
        logits, there = self.generator.logits(noise, length).flatten(2, 3), inside(length)
        slots = BAR_SLOTS * self.generator.chosen.bars
        begins = (logits[..., -1] <= 0) & (there.expand(-1, -1, self.generator.chosen.bars, -1, -1, -1).flatten(2) > 0)  # (B, K, T)
        at, earlier = torch.arange(slots), torch.ones(slots, slots).tril() > 0
        source = torch.where(begins[:, :, None] & earlier, at, -1).amax(-1)  # the slot whose choice still sounds, -1 = none
        choice = logits[..., :-1].argmax(-1).gather(-1, source.clamp(min=0))
        sounds = ((torch.arange(PITCHES) == choice[..., None]) & (source >= 0)[..., None]).float()
        roll = torch.stack((sounds, sounds * begins[..., None].float()), -1)
        return roll.unflatten(2, (self.generator.chosen.bars, BAR_SLOTS)) * there

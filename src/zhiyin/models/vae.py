"""A variational autoencoder over windows of bars on the grid of sixteenths (``encoding.sixteenths``).

    log p(x) ≥ E_q(z|x) [ log p(x | z) ] − β · max(KL(q(z|x) ‖ N(0, I)), λ)

Encoder: a bidirectional Transformer over quarters; the bars' codes side by side give the latent. Decoder: a conductor turns
the latent into one vector for each bar, and a GRU writes every bar from its vector (hierarchical), or one GRU writes all bars
from the latent (flat). After Roberts et al. 2018, "A hierarchical latent vector model for learning long-term structure in
music". Shapes: B windows, N bars, 16 slots, K lines, Z latent, D width, C cell.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zhiyin.encoding.sixteenths import BAR_LENGTHS, BAR_SLOTS, CLASSES, NONE
from zhiyin.errors import InputError
from zhiyin.models.layers.norm import RMSNorm
from zhiyin.models.layers.rotary import TwoClocks
from zhiyin.models.transformer import Block, TransformerSizes

BEAT = 4  # slots that the encoder reads at once
BEATS = BAR_SLOTS // BEAT
FAR = -1e9
LEAST_ACTIVE = 0.1
ACTIVE = 0.01  # a unit whose posterior mean varies more than this over windows is active (Burda et al. 2016)


@dataclass(frozen=True)
class VAESizes:
    """Sizes of a VAE and what its training asks for.

    bars, lines: of a window; latent: Z; code: numbers that a bar gives to the latent; cell: units of the GRU;
    hierarchical: 1 = a conductor and bars, 0 = one flat GRU. beta: weight of the KL term, reached after ``anneal`` steps;
    free_nats: KL of a window that costs nothing.
    """

    bars: int = 2
    lines: int = 1
    latent: int = 128
    width: int = 192
    layers: int = 2
    heads: int = 4
    hidden: int = 384
    code: int = 192
    cell: int = 256
    embedding: int = 48
    hierarchical: int = 1
    beta: float = 0.1
    free_nats: float = 8.0
    anneal: int = 500

    def __post_init__(self) -> None:
        if not (1 <= self.bars <= 64 and 1 <= self.lines <= 8):
            raise InputError(
                "Window out of range", expected="1..64 bars, 1..8 lines", received=f"{self.bars} bars, {self.lines} lines"
            )


class VAE(nn.Module):
    """Encoder and decoder. It offers the training loop what a RowModel offers; a scored row is a sixteenth of a line."""

    family = "vae"
    fields = ("class", "kl")

    def __init__(self, chosen: VAESizes) -> None:
        super().__init__()
        self.chosen = c = chosen
        self.sizes: dict[str, int | float] = asdict(chosen)
        block = TransformerSizes(c.width, 2 * c.layers, c.heads, c.hidden)
        self.read = nn.ModuleList(nn.Embedding(CLASSES + 1, c.embedding) for _ in range(c.lines))
        self.patch = nn.Linear(BEAT * c.lines * c.embedding, c.width)
        self.length = nn.Embedding(len(BAR_LENGTHS), c.width)
        self.beat, self.bar = nn.Embedding(BEATS, c.width), nn.Embedding(c.bars, c.width)
        self.clocks = TwoClocks(c.heads, c.width // c.heads)
        self.blocks = nn.ModuleList(Block(block) for _ in range(c.layers))
        self.norm_in, self.norm_out = RMSNorm(c.width), RMSNorm(c.width)
        self.code = nn.Linear(BEATS * c.width, c.code)
        self.posterior = nn.Linear(c.bars * c.code, 2 * c.latent)
        self.decoder = Decoder(chosen)
        if c.hierarchical and c.bars > 2 and c.latent % c.bars == 0:  # begin with a share of the latent for each bar: 16 bars learn many times faster
            share = c.latent // c.bars
            _begin_by_bar(self.posterior.weight[: c.latent], share, c.code)
            _begin_by_bar(self.posterior.weight[c.latent :], share, c.code)
            _begin_by_bar(self.decoder.latent.weight, c.width, share)

    @property
    def parameter_count(self) -> int:
        """Number of trainable numbers."""
        return sum(p.numel() for p in self.parameters())

    def encode(self, grid: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """grid int64 (B, N, 16, K), length: class of BAR_LENGTHS (B,) -> mean and log variance of q(z|x), each (B, Z)."""
        b, n = grid.shape[:2]
        seen = torch.cat([table(grid[..., k]) for k, table in enumerate(self.read)], -1)  # (B, N, 16, K E)
        x = self.patch(seen.reshape(b, n, BEATS, -1))
        x = x + self.beat.weight + self.bar.weight[:, None] + self.length(length)[:, None, None]
        x = self.norm_in(x.reshape(b, n * BEATS, -1))
        there = grid[..., ::BEAT, 0] != NONE  # (B, N, 4)
        mask = torch.where(there.reshape(b, n * BEATS), 0.0, FAR)[:, None, None]
        index = torch.arange(n * BEATS, device=grid.device)
        clock = self.clocks(index, (index.float() / BEATS).expand(b, -1))
        for block in self.blocks:
            x = block(x, clock, None, mask)[0]
        x = self.norm_out(x).reshape(b, n, BEATS, -1) * there[..., None]
        codes = self.code(x.reshape(b, n, -1))
        mean, log_variance = self.posterior(codes.reshape(b, -1)).float().chunk(2, -1)
        return mean, log_variance.clamp(-12.0, 4.0)

    def nats(self, batch: dict[str, Tensor]) -> Tensor:
        """Nats of every sixteenth and line, and β KL on each window's first: float32 (B, N 16 K, 2), 0 where not scored.

        batch: grid (B, N, 16, K), length (B,), scored bool (B, N 16 K), beta (). Where the network is not training the posterior's mean is decoded.
        """
        mean, log_variance = self.encode(batch["grid"], batch["length"])
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp() if self.training else mean
        logits = self.decoder(z, batch["length"], batch["grid"])
        target = torch.where(batch["scored"], batch["grid"].flatten(1), 0)
        found = F.cross_entropy(logits.flatten(0, -2).float(), target.flatten(), reduction="none").view_as(target)
        out = torch.zeros(*target.shape, 2, device=target.device)
        out[..., 0] = found * batch["scored"]
        out[:, 0, 1] = batch["beta"] * kl(mean, log_variance).sum(-1).clamp(min=self.chosen.free_nats)
        return out

    @torch.no_grad()
    def health(self, batches: list[dict[str, Tensor]]) -> dict[str, float]:
        """Watched at each validation: share of active units, KL in nats a window, and accuracy (teacher-forced, likeliest class)."""
        self.eval()
        means, kls, right, n = [], 0.0, 0, 0
        for batch in batches:
            mean, log_variance = self.encode(batch["grid"], batch["length"])
            guess = self.decoder(mean, batch["length"], batch["grid"]).argmax(-1).flatten(1)
            right += int(((guess == batch["grid"].flatten(1)) & batch["scored"]).sum())
            n += int(batch["scored"].sum())
            kls += float(kl(mean, log_variance).sum())
            means.append(mean)
        z = torch.cat(means)
        active = float((z.var(0) > ACTIVE).float().mean())
        return {"active_units": active, "kl": kls / len(z), "accuracy": right / max(n, 1)}

    @staticmethod
    def warnings(found: dict[str, float]) -> list[str]:
        """What to tell whoever trains: a collapsed posterior."""
        if found["active_units"] >= LEAST_ACTIVE:
            return []
        return [f"posterior collapse: {found['active_units']:.1%} of the latent's units are active (< {LEAST_ACTIVE:.0%}); lower beta or raise free_nats"]


class Decoder(nn.Module):
    """Latent -> bars. ``unfold`` once, then ``step`` for each sixteenth."""

    def __init__(self, c: VAESizes) -> None:
        super().__init__()
        self.chosen = c
        block = TransformerSizes(c.width, 2 * c.layers, c.heads, c.hidden)
        self.latent = nn.Linear(c.latent, c.bars * c.width if c.hierarchical else c.width)
        self.length = nn.Embedding(len(BAR_LENGTHS), c.width)
        self.slot = nn.Embedding(BAR_SLOTS, c.width)
        self.bar = nn.Embedding(c.bars, c.width)
        self.clocks = TwoClocks(c.heads, c.width // c.heads)
        self.conductor = nn.ModuleList(Block(block) for _ in range(c.layers if c.hierarchical else 0))
        self.norm = RMSNorm(c.width)
        self.beats = nn.Linear(c.width, BEATS * c.width)
        self.start = nn.Linear(c.width, c.cell)
        self.said = nn.ModuleList(nn.Embedding(CLASSES + 1, c.width) for _ in range(c.lines))
        self.cell = nn.GRU(c.width, c.cell, batch_first=True)
        self.beside = nn.ModuleList(nn.Embedding(CLASSES + 1, c.cell) for _ in range(c.lines - 1))
        self.head = nn.ModuleList(nn.Linear(c.cell, CLASSES) for _ in range(c.lines))

    def unfold(self, z: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """z (B, Z), length (B,) -> context of every slot (B, N, 16, D) and the GRU's first states (B, N or 1, C)."""
        c = self.chosen
        b = z.shape[0]
        x = self.latent(z).reshape(b, -1, c.width) + self.length(length)[:, None]
        if c.hierarchical:
            x = x + self.bar.weight
            index = torch.arange(c.bars, device=z.device)
            clock = self.clocks(index, index.float().expand(b, -1))
            everywhere = torch.zeros(b, 1, 1, c.bars, device=z.device)
            for block in self.conductor:
                x = block(x, clock, None, everywhere)[0]
        x = self.norm(x)
        beats = self.beats(x).reshape(b, -1, BEATS, 1, c.width).expand(-1, c.bars, -1, BEAT, -1)
        return beats.reshape(b, c.bars, BAR_SLOTS, c.width) + self.slot.weight, torch.tanh(self.start(x))

    def forward(self, z: Tensor, length: Tensor, grid: Tensor) -> Tensor:
        """Teacher-forced logits (B, N, 16, K, CLASSES); ``grid`` int64 (B, N, 16, K) holds what was really written."""
        context, state = self.unfold(z, length)
        b, n, k = grid.shape[0], grid.shape[1], grid.shape[3]
        chains = b * n if self.chosen.hierarchical else b
        said = grid.reshape(chains, -1, k)
        before = torch.cat((torch.full_like(said[:, :1], NONE), said[:, :-1]), 1)
        x = context.reshape(chains, -1, context.shape[-1]) + self._said(before)
        h, _ = self.cell(x, state.reshape(1, chains, -1).to(x.dtype))
        return self._logits(h, said).reshape(b, n, BAR_SLOTS, k, CLASSES)

    def step(self, said: Tensor, context: Tensor, state: Tensor) -> Tensor:
        """One sixteenth: classes before it (B, K), its context (B, D), state (B, C) -> the new state (B, C)."""
        return self.cell((context + self._said(said))[:, None], state[None])[1][0]

    def _said(self, classes: Tensor) -> Tensor:
        return torch.stack([table(classes[..., k]) for k, table in enumerate(self.said)]).sum(0)

    def _logits(self, h: Tensor, said: Tensor) -> Tensor:
        """h (…, C), classes of this very sixteenth (…, K) -> logits (…, K, CLASSES); line k sees the lines before it."""
        out = []
        for k, head in enumerate(self.head):
            if k:
                h = h + self.beside[k - 1](said[..., k - 1])
            out.append(head(h))
        return torch.stack(out, -2)


@torch.no_grad()
def _begin_by_bar(weight: Tensor, rows: int, columns: int) -> None:
    """Scales a fresh matrix (bars · rows, bars · columns): each bar's own block as if it were alone, all else a tenth."""
    bars = weight.shape[0] // rows
    own = torch.eye(bars, dtype=torch.bool, device=weight.device).repeat_interleave(rows, 0).repeat_interleave(columns, 1)
    weight *= torch.where(own, bars**0.5, 0.1)


def kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, e^log_variance) ‖ N(0, 1)) of every number."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


class EncodeGraph(nn.Module):
    """What is exported of the encoder: grid, length -> mean, spread (standard deviation)."""

    input_names, output_names = ("grid", "length"), ("mean", "spread")

    def __init__(self, model: VAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, grid: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """grid int64 (B, N, 16, K), length (B,) -> mean (B, Z), spread (B, Z)."""
        mean, log_variance = self.model.encode(grid, length)
        return mean, (0.5 * log_variance).exp()


class UnfoldGraph(nn.Module):
    """What is exported of the conductor: z, length -> context of every slot, first states."""

    input_names, output_names = ("z", "length"), ("context", "state")

    def __init__(self, model: VAE) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(self, z: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """z float32 (B, Z), length (B,) -> context (B, N, 16, D), state (B, N or 1, C)."""
        return self.decoder.unfold(z, length)


class WriteGraph(nn.Module):
    """What is exported of the bars' GRU: one sixteenth, sampled line by line from uniforms in [0, 1)."""

    input_names = ("said", "context", "state", "force", "uniform", "temperature")
    output_names = ("classes", "nats", "new_state")

    def __init__(self, model: VAE) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(
        self, said: Tensor, context: Tensor, state: Tensor, force: Tensor, uniform: Tensor, temperature: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """said (B, K) before it, context (B, D), state (B, C), force (B, K; -1 = sample), uniform (B, K), temperature () ->
        classes (B, K), their nats at temperature 1 (B, K), new state (B, C).
        """
        d = self.decoder
        state = d.step(said, context, state)
        h = state
        out: list[Tensor] = []
        nats: list[Tensor] = []
        for k, head in enumerate(d.head):
            if k:
                h = h + d.beside[k - 1](out[-1])
            logits = head(h)
            odds = torch.softmax(logits / temperature, -1)
            drawn = (odds.cumsum(-1) <= uniform[:, k : k + 1]).sum(-1).clamp(max=CLASSES - 1)
            out.append(torch.where(force[:, k] >= 0, force[:, k], drawn))
            nats.append(-torch.log_softmax(logits, -1).gather(-1, out[-1][:, None])[:, 0])
        return torch.stack(out, -1), torch.stack(nats, -1), state

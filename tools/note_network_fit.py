"""Fits a ``zhiyin.score.note_network`` with torch: one loop for spelling and staves.

A piece is an ``Example``: features, targets and which notes count. Batches are windows of notes; what lies outside a
window is zero, as at the ends of a piece.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy, dropout, relu

from zhiyin.score.note_network import DILATIONS

WINDOW, BATCH = 768, 4
WARM_UP = 0.03  # share of the time in which the rate rises


@dataclass(frozen=True)
class Example:
    """A piece: features (notes, F) float16 or float32, target (notes,) int, counts (notes,) bool; drawn in ``share`` of the epochs."""

    features: np.ndarray
    target: np.ndarray
    counts: np.ndarray
    share: float = 1.0


class Network(torch.nn.Module):
    """The torch twin of ``NoteNetwork``; inputs (B, T, F), outputs (B, T, outputs)."""

    def __init__(self, features: int, width: int, outputs: int) -> None:
        super().__init__()

        def normal(*shape: int, scale: float) -> torch.nn.Parameter:
            return torch.nn.Parameter(torch.randn(*shape) * scale)

        self.enter = normal(features, width, scale=features**-0.5)
        self.enter_bias = torch.nn.Parameter(torch.zeros(width))
        self.blocks = normal(len(DILATIONS), 3, width, width, scale=(3 * width) ** -0.5 / 2)
        self.block_biases = torch.nn.Parameter(torch.zeros(len(DILATIONS), width))
        self.leave = normal(width, outputs, scale=width**-0.5 / 4)
        self.leave_bias = torch.nn.Parameter(torch.zeros(outputs))

    def forward(self, x: torch.Tensor, drop: float = 0.0) -> torch.Tensor:
        """Outputs; ``drop`` is the share of units left out before each block, the same ones through a whole window."""
        size, reach = x.shape[1], DILATIONS[-1]
        x = relu(x @ self.enter + self.enter_bias)
        for d, taps, bias in zip(DILATIONS, self.blocks, self.block_biases, strict=True):
            inner = (x * dropout(x.new_ones(len(x), 1, x.shape[2]), drop, self.training)).bfloat16()
            padded = torch.nn.functional.pad(inner, (0, 0, reach, reach))
            wide = torch.cat(
                [padded[:, reach - d : reach - d + size], inner, padded[:, reach + d : reach + d + size]], dim=2
            )
            x = x + relu(wide @ taps.flatten(0, 1).bfloat16() + bias)
        return x @ self.leave + self.leave_bias

    def start_from(self, path: Path) -> None:
        """Takes the weights of a fitted network."""
        arrays = np.load(path, allow_pickle=False)
        with torch.no_grad():
            for name, value in self.named_parameters():
                value.copy_(torch.from_numpy(arrays[name].astype(np.float32)))

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights by name, float16."""
        return {name: value.detach().float().numpy().astype(np.float16) for name, value in self.named_parameters()}


def _batches(examples: list[Example], rng: np.random.Generator) -> list[list[tuple[int, int]]]:
    """(piece, first note) of windows that cover every drawn piece once, at a random phase, shuffled into batches."""
    windows = []
    for i, example in enumerate(examples):
        if rng.random() >= example.share:
            continue
        size = len(example.target)
        phase = int(rng.integers(WINDOW)) if size > WINDOW else 0
        windows += [(i, start) for start in range(-phase, size, WINDOW)]
    rng.shuffle(windows)
    return [windows[i : i + BATCH] for i in range(0, len(windows) - BATCH + 1, BATCH)]


def _gather(examples: list[Example], windows: list[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (B, WINDOW, F) and targets (B, WINDOW), -100 where nothing counts."""
    x = np.zeros((len(windows), WINDOW, examples[0].features.shape[1]), dtype=np.float32)
    y = np.full((len(windows), WINDOW), -100, dtype=np.int64)
    for row, (i, start) in enumerate(windows):
        example = examples[i]
        low, high = max(start, 0), min(start + WINDOW, len(example.target))
        x[row, low - start : high - start] = example.features[low:high]
        y[row, low - start : high - start] = np.where(example.counts[low:high], example.target[low:high], -100)
    return torch.from_numpy(x), torch.from_numpy(y)


@dataclass(frozen=True)
class Plan:
    """Time and size of a fit: ``drop`` is the share of units left out, ``rate`` the highest learning rate, ``start`` weights to go on from."""

    width: int
    outputs: int
    minutes: float
    drop: float = 0.1
    rate: float = 4e-3
    start: Path | None = None


def fit(examples: list[Example], plan: Plan) -> Network:
    """A network of least cross-entropy after ``plan.minutes``; the weights are a running mean (EMA) of the last steps."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net, mean = (Network(examples[0].features.shape[1], plan.width, plan.outputs) for _ in range(2))
    if plan.start:
        net.start_from(plan.start)
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-2, betas=(0.9, 0.99))
    began, epoch, step, total, seen = time.time(), 0, 0, 0.0, 0
    queue: list[list[tuple[int, int]]] = []
    while (done := (time.time() - began) / 60 / plan.minutes) < 1:
        if not queue:
            print(f"epoch {epoch}, {done:.0%}: {total / max(seen, 1):.5f} nats a note", flush=True)
            queue, epoch, total, seen = _batches(examples, rng), epoch + 1, 0.0, 0
        x, y = _gather(examples, queue.pop())
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * min(1.0, done / WARM_UP) * (0.5 + 0.5 * np.cos(np.pi * done))
        loss = cross_entropy(net(x, plan.drop).flatten(0, 1), y.flatten(), ignore_index=-100)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step, total, seen = step + 1, total + float(loss.detach()), seen + 1
        with torch.no_grad():
            for slow, fast in zip(mean.parameters(), net.parameters(), strict=True):
                slow.lerp_(fast, max(0.01, 9 / (9 + step)))
    return mean.eval()

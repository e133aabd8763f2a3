"""The adversarial loop: critic and generator in turn. Batches, checkpoints, the log, devices and recipes are the ones of every run.

One optimiser holds both networks; a step moves only the one that has gradients. An adversarial loss says nothing of how good the bars are, so
the generator that is kept is the running average as it was when the roll metrics of its samples lay nearest to those of real windows (``rolls.away``). What step k sees depends on (seed, k) alone, so a resumed run goes on as if it had never stopped.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zhiyin.encoding.bar_roll import in_range, roll_of
from zhiyin.errors import TrainingError
from zhiyin.models.gan import GAN
from zhiyin.training.checkpoint import NAME, Progress, Weights, load_checkpoint, save_checkpoint, snapshot
from zhiyin.training.loop import CHECKPOINT_SECONDS, PROBE_STEPS, Log, Report, Run, choose_device
from zhiyin.training.recipe import Recipe
from zhiyin.training.rolls import away
from zhiyin.training.windows import Pool, Windows, moved

REAL = 512  # real windows that a validation compares as many written ones with
AT_ONCE = 64  # of the written ones
LEAST_DIFFERENT = 0.9  # of them, else collapse is told


def train_gan(
    model: GAN, windows: Windows, recipe: Recipe, folder: Path, *, device: str = "auto", report: Report | None = None
) -> Run:
    """Trains a GAN and returns it with its averaged weights. ``folder``: checkpoint and log; a checkpoint found there is resumed."""
    return _Adversaries(model, windows, recipe, folder, choose_device(device), report or (lambda _: None)).run()


class _Adversaries:
    def __init__(
        self, model: GAN, windows: Windows, recipe: Recipe, folder: Path, device: torch.device, report: Report
    ) -> None:
        self.model, self.windows, self.recipe, self.folder, self.device, self.report = model.to(device), windows, recipe, folder, device, report
        self.pool = rollable(windows.pool)
        if not len(self.pool.begin):
            raise TrainingError("Nothing to train on", expected="≥ 1 window with pitches 28..99", received="none", hint="more files")
        self.true, self.lengths = self.looked_at()
        model.generator.begin_with(torch.from_numpy(self.true.astype(np.float32)).to(self.device))
        self.optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, betas=(0.5, 0.9), weight_decay=0.0)
        self.weights = Weights(model, snapshot(model), snapshot(model), self.optimiser)
        self.progress = Progress()
        files = getattr(windows.corpus, "manifest", {}).get("files", {})
        self.identity = {**recipe.flat(), "music": files.get("rows.npy", "")}
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / NAME).is_file():
            self.progress = load_checkpoint(folder, self.weights, self.identity)
        else:
            (folder / "log.jsonl").unlink(missing_ok=True)

    def run(self) -> Run:
        p, began, saved = self.progress, time.monotonic(), time.monotonic()
        p.total = p.total or (0 if self.recipe.minutes > 0 else self.recipe.steps)
        if not p.total and self.recipe.minutes <= 0:
            raise TrainingError("The recipe does not say how long to train", expected="minutes or steps > 0", received="none", hint="--minutes 10")
        before, log = p.seconds, Log(self.folder, p.step)
        while not p.total or p.step < p.total:
            apart = self._step()
            p.seconds = before + time.monotonic() - began
            if not p.total and p.step >= PROBE_STEPS:
                p.total = max(int(0.97 * self.recipe.minutes * 60 / p.seconds * p.step), p.step + 1)
            if p.step % 10 == 0:
                self._tell(log, apart)
            if p.total and (p.step % max(1, p.total // self.recipe.validations) == 0 or p.step == p.total):
                self._look(log)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                save_checkpoint(self.folder, self.weights, p, self.identity)
                saved = time.monotonic()
        save_checkpoint(self.folder, self.weights, p, self.identity)
        log.close()
        self.model.load_state_dict(self.weights.best)
        return Run(self.model, p)

    def looked_at(self) -> tuple[np.ndarray, torch.Tensor]:
        """Real rolls uint8 (REAL, K, N, 16, P, 2) as they stand, and their length classes (REAL,): whose commonest choices the generator begins
        with, and what samples of the same lengths are compared with."""
        which = np.random.default_rng(self.recipe.seed).integers(0, len(self.pool.begin), REAL)
        return roll_of(self.pool.take(which)), torch.from_numpy(self.pool.length[which].astype(np.int64)).to(self.device)

    def real(self, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The k-th batch of real rolls and their length classes."""
        rng = np.random.default_rng([self.recipe.seed, k])
        which = rng.integers(0, len(self.pool.begin), self.recipe.batch_pieces or 32)
        grid = self.pool.take(which)
        shifted = moved(grid, rng.integers(-self.recipe.transpose, self.recipe.transpose + 1, len(which)))
        fits = in_range(shifted)
        roll = roll_of(np.where(fits[:, None, None, None], shifted, grid)).astype(np.float32)
        return torch.from_numpy(roll).to(self.device), torch.from_numpy(self.pool.length[which].astype(np.int64)).to(self.device)

    def _step(self) -> float:
        """Critic steps, one generator step; returns how far the critic told real from written."""
        p, c = self.progress, self.model.chosen
        torch.manual_seed(self.recipe.seed * 1_000_003 + p.step * 101)
        self.model.train()
        apart, length = torch.zeros(()), torch.zeros(1)
        for turn in range(c.critic_steps):
            real, length = self.real(p.step * c.critic_steps + turn)
            loss, apart = self.model.critic_loss(real, length)
            self._move(loss)
            p.rows += int(real[..., 1].sum())
        self.model.critic.requires_grad_(False)
        self._move(self.model.generator_loss(length))
        self.model.critic.requires_grad_(True)
        p.step += 1
        decay = min(self.recipe.ema, (1 + p.step) / (10 + p.step))
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                self.weights.average[name].lerp_(value, 1 - decay)
        return float(apart)

    def _move(self, loss: torch.Tensor) -> None:
        """One optimiser step on what has gradients."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_([q for q in self.model.parameters() if q.grad is not None], self.recipe.clip * 10)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def _tell(self, log: Log, apart: float) -> None:
        p = self.progress
        left = p.seconds / p.step * (p.total - p.step) if p.total else float("nan")
        line = {"step": p.step, "total": p.total, "nats": round(apart, 4), "notes_per_second": round(p.rows / p.seconds), "seconds_left": left}
        log.write({"kind": "train", **{k: v for k, v in line.items() if v == v}})
        self.report({"kind": "train", **line})

    @torch.no_grad()
    def _look(self, log: Log) -> None:
        """Samples of the average: how much sounds beside real windows, and how many differ; collapse is told."""
        p = self.progress
        current = snapshot(self.model)
        self.model.load_state_dict(self.weights.average)
        torch.manual_seed(0)
        made = torch.cat([self.model.generator(self.model.noise(len(part)), part) for part in self.lengths.split(AT_ONCE)])
        self.model.load_state_dict(current)
        different = len(torch.unique(made.flatten(1), dim=0)) / len(made)
        off = away(made.cpu().numpy().astype(np.uint8), self.true)
        found = {"off": off, "sounding": float(made[..., 0].mean()), "sounding_real": float(self.true[..., 0].mean()), "different": different}
        p.history.append({"step": p.step, "seconds": round(p.seconds, 2), "rows": p.rows, **found})
        if off < p.best:
            p.best, p.best_step = off, p.step
            self.weights.best.update({k: v.clone() for k, v in self.weights.average.items()})
        log.write({"kind": "valid", "nats": off, **p.history[-1]})
        self.report({"kind": "valid", "nats": off, "best": p.best, "total": p.total, **p.history[-1]})
        if different < LEAST_DIFFERENT:
            self.report({"kind": "warning", "text": f"mode collapse: {different:.0%} of {REAL} samples differ (< {LEAST_DIFFERENT:.0%})"})


def rollable(pool: Pool) -> Pool:
    """The windows of a pool that a roll can hold."""
    kept = [in_range(pool.take(part)) for part in np.array_split(np.arange(len(pool.begin)), max(1, len(pool.begin) // 4096))]
    fits = np.concatenate(kept) if kept else np.zeros(0, dtype=bool)
    return Pool(pool.bars, pool.begin[fits], pool.length[fits], pool.piece[fits], pool.size)


def facts(run: Run, windows: Windows) -> dict[str, Any]:
    """What the manifest says of a finished run."""
    p = run.progress
    last = next((h for h in p.history if h["step"] == p.best_step), {})
    return {"split": "train", "seconds": round(p.seconds), "steps": p.step, "rows": p.rows, "nats": p.best, "n": len(windows.pool.begin), **{k: round(float(v), 5) for k, v in last.items() if k in ("off", "sounding", "sounding_real", "different")}}

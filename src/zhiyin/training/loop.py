"""The one training loop: optimiser steps over batches, validation by piece, checkpoints, exact resume.

What step k sees depends on the seed and k alone, so a resumed run follows the curve of an unbroken one. A time budget is
turned into a number of steps once and kept in the checkpoint. Knows nothing of files of music or of packages.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from zhiyin.errors import TrainingError
from zhiyin.training.batches import Batch
from zhiyin.training.checkpoint import NAME, Progress, Weights, load_checkpoint, save_checkpoint, snapshot
from zhiyin.training.recipe import Recipe

CHECKPOINT_SECONDS = 120.0
WATCHED_ROWS = 40_000  # of the held-out ones
PROBE_STEPS = 12  # steps whose speed turns a time budget into a step count

Report = Callable[[Mapping[str, Any]], None]


class Batches(Protocol):
    """What a run draws from: Batches (rows) or Pairs (windows of an encoder)."""

    corpus: Any
    rows: int

    def batch(self, k: int, *, rank: int = 0) -> Batch:
        """The k-th batch (of one data-parallel rank)."""

    def held_out(self, limit: int) -> Iterable[tuple[list[Any], Batch]]:
        """About ``limit`` rows (0 = all) of held-out pieces, always the same."""


@dataclass
class Run:
    """A finished run: the model (a RowModel or an Encoder) with its best weights, and how it went."""

    model: Any
    progress: Progress


def choose_device(name: str) -> torch.device:
    """``auto`` takes a GPU when there is one; asking for one that is not there is an error."""
    if name not in ("auto", "cpu", "cuda"):
        raise TrainingError("Unknown device", expected="auto, cpu or cuda", received=repr(name))
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError(
            "No GPU", expected="a CUDA device for --device cuda", received="none", hint="use --device auto or cpu"
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def train_model(
    model: Any,
    batches: Batches,
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "auto",
    report: Report | None = None,
) -> Run:
    """Trains a model and returns it with its best weights.

    ``folder`` receives checkpoint, log.jsonl and TensorBoard events; a checkpoint found there is resumed.
    """
    loop = _Loop(model, batches, recipe, folder, choose_device(device), report or (lambda _: None))
    return loop.run()


class _Loop:
    def __init__(
        self, model: Any, batches: Batches, recipe: Recipe, folder: Path, device: torch.device, report: Report
    ) -> None:
        self.recipe, self.batches, self.folder, self.device, self.report = recipe, batches, folder, device, report
        self.rank, self.world = _join_group(device)
        self.model = model.to(device)
        groups = _decay_groups(self.model, recipe.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)
        self.weights = Weights(self.model, snapshot(self.model), snapshot(self.model), self.optimiser)
        self.progress = Progress()
        files = getattr(batches.corpus, "manifest", {}).get("files", {})
        self.identity = {**recipe.flat(), "music": files.get("rows.npy", "")}
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / NAME).is_file():
            self.progress = load_checkpoint(folder, self.weights, self.identity)
        elif self.rank == 0:
            (folder / "log.jsonl").unlink(missing_ok=True)

    def run(self) -> Run:
        p, began, saved = self.progress, time.monotonic(), time.monotonic()
        p.total = p.total or self._fixed_total()
        before = p.seconds
        if p.step and self._done():
            self.report({"kind": "finished", "step": p.step, "seconds": p.seconds, "folder": str(self.folder)})
        log = Log(self.folder, p.step) if self.rank == 0 else None
        with ThreadPoolExecutor(1) as pool:
            upcoming = pool.submit(self.batches.batch, p.step, rank=self.rank)
            while not self._done():
                batch = upcoming.result()
                upcoming = pool.submit(self.batches.batch, p.step + 1, rank=self.rank)
                loss, rows = self._step(batch)
                p.step, p.rows = p.step + 1, p.rows + rows * self.world
                p.seconds = before + time.monotonic() - began
                if not p.total and p.step >= PROBE_STEPS:
                    p.total = self._total_from_time(p.seconds)
                if log and p.step % 10 == 0:
                    self._tell(log, loss)
                if self._due():
                    self._validate(log)
                if self.rank == 0 and time.monotonic() - saved > CHECKPOINT_SECONDS:
                    self._save()
                    saved = time.monotonic()
        if self.rank == 0:
            self._save()
        if log:
            log.close()
        self.model.load_state_dict(self.weights.best)
        return Run(self.model, p)

    def _fixed_total(self) -> int:
        """Steps from the recipe's steps or epochs; 0 where a time budget decides after the probe."""
        r = self.recipe
        if r.minutes > 0:
            return 0
        if r.steps > 0:
            return r.steps
        if r.epochs > 0:
            per_step = r.batch_pieces * min(r.window, self.batches.rows) if r.batch_pieces else r.batch_rows
            return max(1, math.ceil(r.epochs * self.batches.rows / (per_step * self.world)))
        raise TrainingError(
            "The recipe does not say how long to train",
            expected="minutes, steps or epochs > 0",
            received="none",
            hint="--minutes 10",
        )

    def _total_from_time(self, seconds: float) -> int:
        """The probe's first steps are slow (allocation); the second half tells the speed. Validation takes its share."""
        per_step = seconds / self.progress.step
        total = int(0.93 * self.recipe.minutes * 60 / per_step)
        if self.world > 1:
            agreed = torch.tensor([total], device=self.device)
            torch.distributed.broadcast(agreed, 0)
            total = int(agreed[0])
        return max(total, self.progress.step + 1)

    def _done(self) -> bool:
        p = self.progress
        out_of_patience = self.recipe.patience > 0 and p.stale >= self.recipe.patience
        return (p.total > 0 and p.step >= p.total) or out_of_patience

    def _due(self) -> bool:
        p = self.progress
        every = max(1, p.total // self.recipe.validations) if p.total else 0
        return bool(every) and (p.step % every == 0 or p.step == p.total)

    def _step(self, batch: Mapping[str, np.ndarray]) -> tuple[float, int]:
        """One optimiser step; returns nats per note and the number of scored rows."""
        p, r = self.progress, self.recipe
        torch.manual_seed(r.seed * 1_000_003 + p.step * 101 + self.rank)
        for group in self.optimiser.param_groups:
            group["lr"] = r.learning_rate * _rate(p.step, p.total, r)
        self.model.train()
        with _precision(self.device, r.precision):
            nats = self.model.nats(tensors(batch, self.device))
        rows = int(batch["scored"].sum())
        loss = nats.sum() / max(rows, 1)
        loss.backward()
        self._share_gradients()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), r.clip)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self._average()
        return float(loss.detach()), rows

    def _share_gradients(self) -> None:
        if self.world > 1:
            for parameter in self.model.parameters():
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                torch.distributed.all_reduce(parameter.grad)
                parameter.grad /= self.world

    @torch.no_grad()
    def _average(self) -> None:
        """Running average of the weights; early steps count more, so that it is never far behind."""
        decay = min(self.recipe.ema, (1 + self.progress.step) / (10 + self.progress.step)) if self.recipe.ema else 0.0
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.weights.average[name].lerp_(value, 1 - decay)
            else:
                self.weights.average[name].copy_(value)

    def _validate(self, log: Log | None) -> None:
        p = self.progress
        current = snapshot(self.model)
        self.model.load_state_dict(self.weights.average)
        result = measure(self.model, self.batches.held_out(self.recipe.valid_rows), self.device, self.recipe)
        result |= self._watch()
        self.model.load_state_dict(current)
        if result["nats"] < p.best - 1e-4:
            p.best, p.best_step, p.stale = result["nats"], p.step, 0
            self.weights.best.update({k: v.clone() for k, v in self.weights.average.items()})
        else:
            p.stale += 1
        p.history.append({"step": p.step, "seconds": round(p.seconds, 2), "rows": p.rows, **result})
        if log:
            log.write({"kind": "valid", **p.history[-1]})
            self.report({"kind": "valid", "best": p.best, "total": p.total, **p.history[-1]})

    def _watch(self) -> dict[str, float]:
        """What a network wants watched besides its loss (a VAE: units that are active); warns where it says so."""
        if not hasattr(self.model, "health"):
            return {}
        batches = [tensors(b, self.device) for _, b in self.batches.held_out(WATCHED_ROWS)]
        found: dict[str, float] = self.model.health(batches)
        for text in self.model.warnings(found):
            self.report({"kind": "warning", "text": text})
        return found

    def _tell(self, log: Log, loss: float) -> None:
        p = self.progress
        left = p.seconds / p.step * (p.total - p.step) if p.total else float("nan")
        line = {
            "step": p.step,
            "total": p.total,
            "nats": round(loss, 4),
            "notes_per_second": round(p.rows / p.seconds),
            "seconds_left": left,
        }
        log.write({"kind": "train", **{k: v for k, v in line.items() if v == v}})
        self.report({"kind": "train", **line})

    def _save(self) -> None:
        save_checkpoint(self.folder, self.weights, self.progress, self.identity)


def _join_group(device: torch.device) -> tuple[int, int]:
    """Rank and size of the data-parallel group that torchrun started; (0, 1) without one."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    return (torch.distributed.get_rank(), world) if world > 1 else (0, 1)


def _decay_groups(model: Any, decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices only: not for biases, gains and embedding tables."""
    tables = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    matrices = [p for p in model.parameters() if p.ndim >= 2 and id(p) not in tables]
    others = [p for p in model.parameters() if p.ndim < 2 or id(p) in tables]
    return [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def _rate(step: int, total: int, recipe: Recipe) -> float:
    """Warm-up, then a cosine down to ``final_rate``; relative to learning_rate."""
    warm = max(1, int(recipe.warmup * total)) if total else 100
    if step < warm or not total:
        return (step + 1) / warm if step < warm else 1.0
    along = (step - warm) / max(1, total - warm)
    return recipe.final_rate + (1 - recipe.final_rate) * 0.5 * (1 + math.cos(math.pi * min(along, 1.0)))


def bf16_is_fast() -> bool:
    """Whether this CPU multiplies bf16 matrices in hardware (AMX or AVX-512 BF16)."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


def _precision(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    bf16 = precision == "bf16" or (precision == "auto" and (device.type == "cuda" or bf16_is_fast()))
    return torch.autocast(device.type, dtype=torch.bfloat16) if bf16 else nullcontext()


def tensors(batch: Mapping[str, np.ndarray], device: torch.device) -> dict[str, Tensor]:
    """A batch of arrays as tensors on a device."""
    return {k: torch.from_numpy(v).to(device, non_blocking=True) for k, v in batch.items()}


@torch.no_grad()
def measure(
    model: Any,
    batches: Iterable[tuple[list[Any], Mapping[str, np.ndarray]]],
    device: torch.device,
    recipe: Recipe,
) -> dict[str, float]:
    """The loss per scored row over batches, in all and per field (``nats_pitch`` …), with n rows.

    For a network over rows that is nats per written note, the end included.
    """
    model.eval()
    total, rows = np.zeros(len(model.fields)), 0
    for _, batch in batches:
        with _precision(device, recipe.precision):
            nats = model.nats(tensors(batch, device))
        total += nats.double().sum(dim=(0, 1)).cpu().numpy()
        rows += int(batch["scored"].sum())
    per_row = total / max(rows, 1)
    return {"nats": float(per_row.sum()), "n": rows, **{f"nats_{f}": float(v) for f, v in zip(model.fields, per_row)}}


class Log:
    """log.jsonl (kept across a resume up to the step resumed from) and TensorBoard events where it is installed."""

    def __init__(self, folder: Path, step: int) -> None:
        path = folder / "log.jsonl"
        kept = [line for line in _lines(path) if json.loads(line)["step"] <= step]
        path.write_text("".join(kept), encoding="utf-8")
        self.file = path.open("a", encoding="utf-8")
        self.board: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step)
        except ImportError:
            return

    def write(self, line: Mapping[str, Any]) -> None:
        """Adds one line."""
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        if self.board:
            for name, value in line.items():
                if isinstance(value, (int, float)) and name not in ("step", "total"):
                    self.board.add_scalar(f"{line['kind']}/{name}", value, line["step"])

    def close(self) -> None:
        """Closes file and events."""
        self.file.close()
        if self.board:
            self.board.close()


def _lines(path: Path) -> Iterator[str]:
    if path.is_file():
        with path.open(encoding="utf-8") as f:
            yield from (line for line in f if line.endswith("\n"))

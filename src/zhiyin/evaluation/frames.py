"""The papers' tables: -ln p of the next frame of 88 keys, exactly, on the published splits of a set (see docs/concepts/frames.md).

A network of one family learns from the training pieces; the weights that are best on the validation pieces are measured once on the test pieces.
No ensembles, no bounds, no transposition of what is measured. Anchors: Bai, Kolter and Koltun (2018), table 1 (bernoulli).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zhiyin.errors import InputError
from zhiyin.evaluation.frame_batches import FrameBatches
from zhiyin.evaluation.frame_recipes import frame_recipe
from zhiyin.evaluation.frame_sets import FrameSet, load_frames
from zhiyin.models.frames import FrameModel, build_frames
from zhiyin.training.batches import Batch
from zhiyin.training.loop import Report, choose_device, tensors, train_model
from zhiyin.training.recipe import Recipe

TUNE_WINDOW = 16  # intervals of the top voice that count as "the same tune"


def evaluate_frames(
    data: str | Path,
    family: str,
    head: str = "bernoulli",
    *,
    minutes: float | None = None,
    seed: int = 1,
    recipe: Recipe | None = None,
    run: str | Path | None = None,
    report: Report | None = None,
) -> dict[str, Any]:
    """Trains on a set of frames (.mat, .npz) and measures its test pieces, in nats per frame.

    ``recipe``: another than ``frame_recipe`` gives; ``minutes``: a time budget in place of its steps; ``run``: a folder that keeps checkpoints, from
    which a run that was cut off goes on. The result holds ``nats`` (bernoulli: first frames not scored; joint: scored; both pooled over frames),
    ``test`` and ``valid`` with both ways of scoring and of averaging, ``clean`` (test pieces whose tune is not in training), and what was trained.
    """
    if minutes is not None and not 0 < minutes < 1e5:
        raise InputError("No such time budget", expected="minutes above 0", received=str(minutes))
    frames = load_frames(data)
    recipe = (recipe or frame_recipe(family, head, frames.frames("train"))).replace(minutes=minutes, seed=seed)
    model, batches = prepare(frames, recipe)
    told: Report = report or (lambda _: None)
    told({"kind": "start", "family": family, "parameters": model.parameter_count, "pieces": len(frames.pieces["train"]), "notes": batches.rows})
    with tempfile.TemporaryDirectory() as spare:
        done = train_model(model, batches, recipe, Path(run or spare), report=told)
    result = _measured(done.model, batches, head)
    return {
        "set": frames.name, "family": family, "head": head, "seed": seed, "nats": result["test"]["pooled" if head == "joint" else "pooled_without_first"],
        **result, "parameters": model.parameter_count, "transposed_in_training": bool(recipe.transpose), "best_step": done.progress.best_step,
        "steps": done.progress.step, "training_seconds": round(done.progress.seconds, 1), "recipe": recipe.flat(), "sha256": frames.sha256,
    }  # fmt: skip


def prepare(frames: FrameSet, recipe: Recipe) -> tuple[FrameModel, FrameBatches]:
    """The fresh network of a recipe (its seed decides the weights) and its batches."""
    head = str(recipe.sizes["head"])
    torch.manual_seed(recipe.seed)
    sizes = {k: v for k, v in recipe.sizes.items() if k != "head"}
    model = build_frames(recipe.family, head, frames.keys, **sizes, **_range(frames, recipe))
    return model, FrameBatches(frames, recipe, first=head == "joint", whole=recipe.family != "transformer")


def _range(frames: FrameSet, recipe: Recipe) -> dict[str, int]:
    """The keys that a relative head knows: those of the training pieces, as far as they are moved."""
    used = np.flatnonzero(np.logical_or.reduce([p.any(0) for p in frames.pieces["train"]]))
    if not len(used):
        return {}
    return {"low": max(0, int(used[0]) - recipe.transpose), "high": min(frames.keys, int(used[-1]) + 1 + recipe.transpose)}


def _measured(model: FrameModel, batches: FrameBatches, head: str) -> dict[str, Any]:
    """Means of test, valid and clean test pieces. A bernoulli network never learnt a first frame: those are left out."""
    clean = clean_pieces(batches)
    found: dict[str, Any] = {}
    for split in ("valid", "test"):
        nats = piece_nats(model, len(batches.pieces[split]), batches.split(split))
        found[split] = means(nats, first=head == "joint")
        if split == "test":
            found["clean"] = means([nats[i] for i in clean], first=head == "joint")
    return found


@torch.no_grad()
def piece_nats(model: FrameModel, count: int, batches: Iterable[tuple[list[int], Batch]]) -> list[np.ndarray]:
    """Nats of every frame of ``count`` pieces, each (frames,); NaN where a frame was not scored."""
    device = choose_device("auto")
    model.to(device).eval()
    parts: list[dict[int, np.ndarray]] = [{} for _ in range(count)]
    for indices, batch in batches:
        nats = model.nats(tensors(batch, device))[..., 0].double().cpu().numpy()
        for row, piece in enumerate(indices):
            at, scored = int(batch["at"][row]), batch["scored"][row]
            if scored.any():
                first, last = np.flatnonzero(scored)[[0, -1]]
                parts[piece][at + int(first)] = nats[row, first : last + 1]
    return [np.concatenate([np.full(1 if p and 0 not in p else 0, np.nan), *(p[k] for k in sorted(p))]) for p in parts]


def means(pieces: Iterable[np.ndarray], *, first: bool) -> dict[str, Any]:
    """The four numbers: nats per frame pooled over frames or as the mean of pieces, with first frames or without; n of each."""
    pieces = [p for p in pieces if len(p)]
    without = [p[1:] for p in pieces if len(p) > 1]
    out: dict[str, Any] = {"pieces": len(pieces)}
    for name, some in (("", pieces if first else []), ("_without_first", without)):
        if some:
            out["pooled" + name] = float(np.concatenate(some).mean())
            out["mean_of_pieces" + name] = float(np.mean([p.mean() for p in some]))
            out["frames" + name] = sum(map(len, some))
    return out


def clean_pieces(batches: FrameBatches) -> list[int]:
    """Test pieces of whose tune at most half can be found in training: windows of 16 intervals of the top voice, in any key, rests left out."""
    known = {w for p in batches.pieces["train"] for w in _windows(p.frames)}
    shares = [np.mean([w in known for w in _windows(p.frames)] or [False]) for p in batches.pieces["test"]]
    return [i for i, share in enumerate(shares) if share <= 0.5]


def _windows(table: np.ndarray) -> list[bytes]:
    sounding = table[table.any(1)]
    steps = np.diff(sounding.shape[1] - sounding[:, ::-1].argmax(1))
    return [steps[i : i + TUNE_WINDOW].tobytes() for i in range(len(steps) - TUNE_WINDOW + 1)]



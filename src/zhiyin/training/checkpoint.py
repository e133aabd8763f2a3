"""Checkpoints: everything a run needs to go on as if it had never stopped, written atomically, never pickled.

One safetensors file holds weights, averaged weights, best weights and optimiser moments; one JSON text inside its
metadata holds the step, the history and the recipe.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from zhiyin.errors import TrainingError
from zhiyin.files import atomic_path

NAME = "checkpoint.safetensors"


@dataclass
class Progress:
    """Where a run stands. ``total``: its steps, fixed once; ``history``: one dict per validation."""

    step: int = 0
    total: int = 0
    best: float = float("inf")
    best_step: int = 0
    stale: int = 0  # validations since the best
    rows: int = 0  # scored rows trained on
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass
class Weights:
    """Named tensors of a run: the model's, their running average, and the best at a validation."""

    model: nn.Module
    average: dict[str, Tensor]
    best: dict[str, Tensor]
    optimiser: torch.optim.Optimizer


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of a model's tensors by name."""
    return {k: v.detach().clone() for k, v in model.state_dict().items()}


def save_checkpoint(folder: Path, weights: Weights, progress: Progress, recipe: dict[str, Any]) -> None:
    """Writes the checkpoint of a run into its folder, atomically."""
    tensors = {f"model/{k}": v for k, v in weights.model.state_dict().items()}
    tensors |= {f"average/{k}": v for k, v in weights.average.items()}
    tensors |= {f"best/{k}": v for k, v in weights.best.items()}
    for name, parameter in weights.model.named_parameters():
        for key, value in weights.optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser/{name}/{key}"] = torch.as_tensor(value)
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    told = {"progress": json.dumps(vars(progress)), "recipe": json.dumps(recipe, sort_keys=True)}
    with atomic_path(folder / NAME) as temporary:
        save_file(tensors, temporary, metadata=told)


def load_checkpoint(folder: Path, weights: Weights, recipe: dict[str, Any]) -> Progress:
    """Loads a run's checkpoint into its weights and returns where it stood. The recipe must be the one it began with."""
    path = folder / NAME
    try:
        with safe_open(path, framework="pt") as f:
            meta = f.metadata() or {}
            tensors = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as e:
        raise TrainingError(
            f"{path} cannot be resumed",
            expected="a checkpoint of this version",
            received=str(e),
            hint="delete it to start again",
        ) from None
    began = json.loads(meta.get("recipe", "{}"))
    differ = sorted(k for k in {*began, *recipe} if began.get(k) != recipe.get(k))
    if differ:
        raise TrainingError(
            "The run in this folder has another recipe or learnt from other files",
            expected="the recipe it began with",
            received=", ".join(f"{k} = {recipe.get(k)!r} (was {began.get(k)!r})" for k in differ),
            hint="choose another --name, or delete the checkpoint to start again",
        )
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "best": {}, "optimiser": {}}
    for key, value in tensors.items():
        kind, _, name = key.partition("/")
        groups[kind][name] = value
    weights.model.load_state_dict(groups["model"])
    device = next(weights.model.parameters()).device
    weights.average.update({k: v.to(device) for k, v in groups["average"].items()})
    weights.best.update({k: v.to(device) for k, v in groups["best"].items()})
    for name, parameter in weights.model.named_parameters():
        state = {k.rpartition("/")[2]: v for k, v in groups["optimiser"].items() if k.rpartition("/")[0] == name}
        if state:
            weights.optimiser.state[parameter] = {k: v if k == "step" else v.to(device) for k, v in state.items()}
    return Progress(**json.loads(meta["progress"]))

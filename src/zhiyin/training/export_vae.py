"""A trained VAE to the graphs of a model package: encode.onnx, unfold.onnx and write.onnx over weights.bin, checked against the network."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor

from zhiyin.encoding.sixteenths import CLASSES, NONE
from zhiyin.errors import TrainingError
from zhiyin.inference.latent_space import LatentModel
from zhiyin.inference.session import open_graph
from zhiyin.models.vae import VAE, EncodeGraph, UnfoldGraph, WriteGraph
from zhiyin.provenance.package import ENCODE, UNFOLD, WRITE
from zhiyin.training.export import WEIGHTS_FILE, to_onnx, write_graphs

BOUND = 2e-3  # float32 graphs against torch: largest difference of any number
ACCURACY_BOUND = 0.005  # what int8 may cost of the sixteenths that come back
CHECKED = 128  # windows that graphs are compared on


def export_vae(model: VAE, folder: Path, *, int8: bool = True, batch: dict[str, Tensor]) -> dict[str, Any]:
    """Writes the graphs and weights.bin and returns what the manifest says of them.

    batch: windows (grid, length) that accuracy is compared on. int8 weights that cost more than ACCURACY_BOUND are not
    shipped. Raises TrainingError when float32 differs from torch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = model.cpu().float().eval()
    grid, length = batch["grid"][:CHECKED].numpy(), batch["length"][:CHECKED].numpy()
    remarks: list[str] = []
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as made:
        work = Path(made)
        plain = _graphs(model, work)
        write_graphs(plain, work, int8=False)
        error = _difference(model, work, batch)
        if not error <= BOUND:
            raise TrainingError("The exported graphs differ from the network", expected=f"within {BOUND}", received=f"{error:.2g}")
        exact = shipped = rebuilt(work, model, grid, length)
        if int8:
            write_graphs(plain, work, int8=True)
            shipped = rebuilt(work, model, grid, length)
            if exact - shipped > ACCURACY_BOUND:
                remarks.append(f"int8 would bring back {shipped:.4f} of the sixteenths instead of {exact:.4f}: float32 is shipped")
                int8, shipped = False, exact
                write_graphs(plain, work, int8=False)
        for name in (WEIGHTS_FILE, *plain):
            os.replace(work / name, folder / name)
    return {
        "int8": int8, "nodes": {name: len(g.graph.node) for name, g in plain.items()},
        "bytes": {name: (folder / name).stat().st_size for name in (*plain, WEIGHTS_FILE)}, "error_float32": error,
        "accuracy_float32": exact, "accuracy_shipped": shipped, "checked_on": len(grid), "remarks": remarks,
    }  # fmt: skip


def rebuilt(folder: Path, model: VAE, grid: np.ndarray, length: np.ndarray) -> float:
    """Share of the sixteenths of some windows that the graphs in a folder bring back (likeliest classes)."""
    latent = LatentModel.of_graphs(*(open_graph(folder / name) for name in (ENCODE, UNFOLD, WRITE)), sizes=model.sizes)
    found = latent.decode(latent.encode(grid, length)[0], length)
    there = grid != NONE
    return float((found == grid)[there].mean())


def _graphs(model: VAE, work: Path) -> dict[str, onnx.ModelProto]:
    c, b = model.chosen, 3
    grid = torch.randint(0, CLASSES, (b, c.bars, 16, c.lines))
    length, z = torch.full((b,), 2), torch.randn(b, c.latent)
    said, state = torch.zeros(b, c.lines, dtype=torch.int64), torch.randn(b, c.cell)
    context, uniform = torch.randn(b, c.width), torch.rand(b, c.lines)
    examples: dict[str, tuple[Any, Any]] = {
        ENCODE: (EncodeGraph(model), (grid, length)),
        UNFOLD: (UnfoldGraph(model), (z, length)),
        WRITE: (WriteGraph(model), (said, context, state, said - 1, uniform, torch.tensor(1.0))),
    }
    out = {}
    for name, (graph, example) in examples.items():
        axes = {n: {0: "B"} for n in [*graph.input_names, *graph.output_names] if n != "temperature"}
        out[name] = to_onnx(graph.eval(), example, axes, work / name)
    return out


def _difference(model: VAE, work: Path, batch: dict[str, Tensor]) -> float:
    """The largest difference between torch and the graphs, each fed with torch's inputs."""
    grid, length = batch["grid"][:CHECKED], batch["length"][:CHECKED]
    with torch.no_grad():
        mean, spread = EncodeGraph(model)(grid, length)
        context, state = UnfoldGraph(model)(mean, length)
        b = len(grid)
        said, uniform = grid[:, 0, 0], torch.full((b, grid.shape[-1]), 0.5)
        feed = (said, context[:, 0, 1], state[:, 0], grid[:, 0, 1], uniform, torch.tensor(1.0))
        _, nats, new = WriteGraph(model)(*feed)
    runs = (
        (ENCODE, EncodeGraph, (grid, length), (mean, spread)),
        (UNFOLD, UnfoldGraph, (mean, length), (context, state)),
        (WRITE, WriteGraph, feed, (None, nats, new)),
    )
    worst = 0.0
    for name, kind, given, truth in runs:
        found = open_graph(work / name).run(list(kind.output_names), dict(zip(kind.input_names, (g.numpy() for g in given))))
        worst = max(worst, *(float(np.abs(f - t.numpy()).max()) for f, t in zip(found, truth) if t is not None))
    return worst

"""A trained generator to the graph of a model package: generate.onnx over weights.bin, checked against the network."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zhiyin.errors import TrainingError
from zhiyin.inference.session import open_graph
from zhiyin.models.gan import GAN, GenerateGraph
from zhiyin.provenance.package import GENERATE
from zhiyin.training.export import WEIGHTS_FILE, to_onnx, write_graphs

CHECKED = 32  # windows that graphs are compared on
PLAIN_BOUND, INT8_BOUND = 1e-4, 0.01  # share of sounding cells that may differ from torch


def export_gan(model: GAN, folder: Path, *, int8: bool = True) -> dict[str, Any]:
    """Writes generate.onnx and weights.bin and returns what the manifest says of them.

    int8 weights that change more than INT8_BOUND of the sounding cells are not shipped. Raises TrainingError when float32
    differs from torch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = model.cpu().float().eval()
    torch.manual_seed(0)
    graph, noise, length = GenerateGraph(model).eval(), model.noise(CHECKED), torch.arange(CHECKED) % 3
    with torch.no_grad():
        truth = graph(noise, length).numpy()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as made:
        work = Path(made)
        axes = {n: {0: "B"} for n in (*graph.input_names, *graph.output_names)}
        plain = {GENERATE: to_onnx(graph, (noise[:2], length[:2]), axes, work / GENERATE)}
        write_graphs(plain, work, int8=False)
        exact = shipped = _different(work / GENERATE, noise, length, truth)
        if exact > PLAIN_BOUND:
            raise TrainingError("The exported graph differs from the network", expected=f"≤ {PLAIN_BOUND} of the cells", received=f"{exact:.2g}")
        remarks: list[str] = []
        if int8:
            write_graphs(plain, work, int8=True)
            shipped = _different(work / GENERATE, noise, length, truth)
            if shipped > INT8_BOUND:
                remarks.append(f"int8 would change {shipped:.1%} of the sounding cells: float32 is shipped")
                int8, shipped = False, exact
                write_graphs(plain, work, int8=False)
        for name in (WEIGHTS_FILE, GENERATE):
            os.replace(work / name, folder / name)
    sizes = {name: (folder / name).stat().st_size for name in (GENERATE, WEIGHTS_FILE)}
    return {"int8": int8, "bytes": sizes, "different_float32": exact, "different_shipped": shipped, "checked_on": CHECKED, "remarks": remarks}


def _different(path: Path, noise: torch.Tensor, length: torch.Tensor, truth: np.ndarray) -> float:
    """Cells that differ from torch, as a share of those that sound."""
    found = open_graph(path).run(["roll"], {"noise": noise.numpy(), "length": length.numpy()})[0]
    return float((found != truth).sum() / max((truth > 0).sum(), 1))

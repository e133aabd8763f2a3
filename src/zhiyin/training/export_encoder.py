"""A trained encoder to the graph of a model package: embed.onnx over weights.bin, checked against the network."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zhiyin.encoding.view import VIEW_SIZES
from zhiyin.errors import TrainingError
from zhiyin.inference.embed import join
from zhiyin.inference.session import open_graph
from zhiyin.models.encoder import EmbedGraph, Encoder
from zhiyin.provenance.package import EMBED
from zhiyin.training.export import WEIGHTS_FILE, to_onnx, write_graphs

COSINE_PLAIN, COSINE_INT8 = 0.99999, 0.99  # least cosine of any window's embedding with torch's


def export_encoder(
    model: Encoder, folder: Path, *, window: int, int8: bool = True, batch: dict[str, Tensor] | None = None
) -> dict[str, Any]:
    """Writes embed.onnx and weights.bin and returns what the manifest says of them.

    ``batch``: windows (columns, time) that the graph is compared on, random ones by default. int8 weights that turn any
    embedding further than COSINE_INT8 are not shipped. Raises TrainingError when float32 differs from torch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = model.cpu().float().eval()
    batch = random_windows() if batch is None else batch
    with torch.no_grad():
        truth = _vectors(*(out.numpy() for out in EmbedGraph(model)(batch["columns"], batch["time"])))
    remarks: list[str] = []
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as made:
        work = Path(made)
        axes = {"columns": {0: "B", 1: "T"}, "time": {0: "B", 1: "T"}, "vector": {0: "B"}, "weight": {0: "B"}}
        example = random_windows(2, 9)
        plain = {EMBED: to_onnx(EmbedGraph(model).eval(), (example["columns"], example["time"]), axes, work / EMBED)}
        write_graphs(plain, work, int8=False)
        exact = _least_cosine(truth, work / EMBED, batch)
        if not exact >= COSINE_PLAIN:
            raise TrainingError(
                "The exported graph differs from the network", expected=f"cosine ≥ {COSINE_PLAIN}", received=f"{exact:.6f}"
            )
        shipped = exact
        if int8:
            write_graphs(plain, work, int8=True)
            shipped = _least_cosine(truth, work / EMBED, batch)
            if shipped < COSINE_INT8:
                remarks.append(f"int8 would turn an embedding to cosine {shipped:.4f}: float32 is shipped")
                int8, shipped = False, exact
                write_graphs(plain, work, int8=False)
        for name in (WEIGHTS_FILE, EMBED):
            os.replace(work / name, folder / name)
    return {
        "int8": int8, "window": window, "width": truth.shape[1], "nodes": {EMBED: len(plain[EMBED].graph.node)},
        "bytes": {name: (folder / name).stat().st_size for name in (EMBED, WEIGHTS_FILE)},
        "cosine_float32": exact, "cosine_shipped": shipped, "checked_on": len(truth), "remarks": remarks,
    }  # fmt: skip


def random_windows(windows: int = 8, rows: int = 40, seed: int = 0) -> dict[str, Tensor]:
    """Random columns and times, the last window half padding: inputs that touch every class, for parity."""
    rng = np.random.default_rng(seed)
    columns = np.stack([rng.integers(-1, size, (windows, rows)) for size in VIEW_SIZES.values()], -1)
    columns[..., 0] = 0
    columns[-1, rows // 2 :] = -1
    time = np.sort(rng.random((windows, rows)) * 20, axis=1).astype(np.float32)
    return {"columns": torch.from_numpy(columns), "time": torch.from_numpy(time)}


def _vectors(vector: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.stack([join(v[None], w[None]) for v, w in zip(vector, weight)])


def _least_cosine(truth: np.ndarray, path: Path, batch: dict[str, Tensor]) -> float:
    feed = {name: batch[name].numpy() for name in EmbedGraph.input_names}
    found = _vectors(*open_graph(path).run(list(EmbedGraph.output_names), feed))
    return float((truth * found).sum(axis=1).min())

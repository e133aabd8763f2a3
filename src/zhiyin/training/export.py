"""A trained network to the graphs of a model package: step.onnx and score.onnx over one shared weights.bin.

Weights may be stored as int8 with a scale per output channel; onnxruntime unfolds them to float32 when it loads a
graph, so that computing is float32 throughout and a batch gives what single runs give. Knows no recipes or manifests.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from zhiyin.encoding.fields import BAR_FIELDS, BAR_SIZES, CONTROL_SIZES, MAX_PARTS, ROW_FIELDS, ROW_SIZES
from zhiyin.encoding.layout import lay_out
from zhiyin.encoding.rows import with_bars_left
from zhiyin.errors import TrainingError
from zhiyin.models.rows import RowModel
from zhiyin.models.step import ScoreGraph, StepGraph

STEP_FILE, SCORE_FILE, WEIGHTS_FILE = "step.onnx", "score.onnx", "weights.bin"
OPSET = 18
LOGIT_BOUND = 1e-3  # float32 graphs against torch
NATS_BOUND = 0.005  # what int8 may cost, as a share of the nats
SMALLEST_SHARED = 1024  # bytes; smaller tensors stay inside the graphs
SMALLEST_INT8 = 4096  # numbers; smaller tensors stay float32
ALIGNMENT = 64  # bytes


@dataclass(frozen=True)
class GraphReport:
    """What an export made and how far it is from torch.

    logit_error: largest difference of any logit, float32 graphs. nats_torch, nats_shipped: mean nats per scored row of
    the check batch; nats_change: their relative difference; checked_on: what that batch was. int8: as shipped.
    load_seconds: to open step.onnx.
    """

    int8: bool
    state: dict[str, list[int | str]]
    window: int
    nodes: dict[str, int]
    bytes: dict[str, int]
    logit_error: float
    nats_torch: float
    nats_shipped: float
    nats_change: float
    checked_on: str
    load_seconds: float
    remarks: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the manifest (what does not depend on the machine)."""
        return {name: value for name, value in asdict(self).items() if name != "load_seconds"}


def export_graphs(
    model: RowModel, folder: str | Path, *, int8: bool = True, batch: dict[str, Tensor] | None = None
) -> GraphReport:
    """Writes step.onnx, score.onnx and weights.bin into ``folder`` and checks them against the network.

    ``batch``: what ``RowModel.nats`` takes; parity and the cost of int8 are measured on it (random legal rows when
    None, which say nothing of music). int8 that costs more than NATS_BOUND is not shipped; the report says so. Raises
    TrainingError when the float32 graphs differ from torch by more than LOGIT_BOUND.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model = model.cpu().float().eval()
    checked_on = "random rows" if batch is None else "given rows"
    batch = random_batch() if batch is None else batch
    truth = _torch_scores(model, batch)
    remarks: list[str] = []
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as work:
        plain = {STEP_FILE: _export_step(model, Path(work)), SCORE_FILE: _export_score(model, Path(work))}
        write_graphs(plain, Path(work), int8=False)
        found = _run_score(Path(work) / SCORE_FILE, batch)
        error = max(float(np.abs(found[name] - truth[name]).max()) for name in truth if name.startswith("logits."))
        if not error <= LOGIT_BOUND:
            raise TrainingError(
                "The exported graph differs from the network",
                expected=f"logits within {LOGIT_BOUND}",
                received=f"{error:.2g}",
            )
        shipped = found
        if int8:
            write_graphs(plain, Path(work), int8=True)
            shipped = _run_score(Path(work) / SCORE_FILE, batch)
            change = _mean(shipped, batch) / _mean(truth, batch) - 1
            if change > NATS_BOUND:
                remarks.append(f"int8 would cost {100 * change:.2f} % of the nats: float32 is shipped")
                int8, shipped = False, found
                write_graphs(plain, Path(work), int8=False)
        for name in (WEIGHTS_FILE, SCORE_FILE, STEP_FILE):
            os.replace(Path(work) / name, folder / name)
    return GraphReport(
        int8=int8,
        state=_state_shapes(model),
        window=int(model.sizes["window"]),
        nodes={name: len(graph.graph.node) for name, graph in plain.items()},
        bytes={name: (folder / name).stat().st_size for name in (STEP_FILE, SCORE_FILE, WEIGHTS_FILE)},
        logit_error=error,
        nats_torch=_mean(truth, batch),
        nats_shipped=_mean(shipped, batch),
        nats_change=_mean(shipped, batch) / _mean(truth, batch) - 1,
        checked_on=checked_on,
        load_seconds=_load_seconds(folder / STEP_FILE),
        remarks=remarks,
    )


def random_batch(pieces: int = 2, notes: int = 40, bars: int = 8, seed: int = 0) -> dict[str, Tensor]:
    """Random legal rows, laid out: inputs that touch every class range, for parity."""
    rng = np.random.default_rng(seed)
    tables = np.stack([rng.integers(0, size, (pieces, bars)) for size in BAR_SIZES], -1)
    tables[..., 0] = rng.integers(24, BAR_SIZES[0], (pieces, bars))
    programs = np.full((pieces, MAX_PARTS), 129)
    programs[:, :3] = rng.integers(0, 129, (pieces, 3))
    laid = []
    for table in tables:
        with_bars_left(table)
        bar = np.sort(rng.integers(0, bars, notes))
        position = rng.integers(0, 10_000, notes) % table[bar, 0]
        rest = [rng.integers(0, size, notes) for size in (3, 128, ROW_SIZES[4], ROW_SIZES[5])]
        rows = np.stack([bar, position, *rest], -1)
        laid.append(lay_out(rows[np.lexsort(rows[:, 3::-1].T)], rng.random(notes) < 0.2))
    columns = {
        name: np.stack([getattr(s, name)[:notes] for s in laid])
        for name in ("inputs", "targets", "previous_pitch", "scored")
    }
    controls = np.stack([rng.integers(0, size, pieces) for size in CONTROL_SIZES], -1)
    columns |= {"bars": tables, "programs": programs, "controls": controls}
    return {k: torch.from_numpy(v if v.dtype == bool else v.astype(np.int64)) for k, v in columns.items()}


def _torch_scores(model: RowModel, batch: dict[str, Tensor]) -> dict[str, np.ndarray]:
    graph = ScoreGraph(model).eval()
    with torch.no_grad():
        outputs = graph(*(batch[name] for name in graph.input_names))
    return {name: out.numpy() for name, out in zip(graph.output_names, outputs)}


def _mean(scores: dict[str, np.ndarray], batch: dict[str, Tensor]) -> float:
    scored = batch["scored"].numpy()
    return float(scores["nats"][scored].sum(dtype=np.float64) / max(int(scored.sum()), 1))


def _state_shapes(model: RowModel) -> dict[str, list[int | str]]:
    shapes: dict[str, list[int | str]] = {}
    for name, value in model.trunk.initial_state(1).items():
        shapes[name] = ["B", *value.shape[1:]]
        if name.startswith("cache."):
            shapes[name][2] = "W"
    return shapes


def _export_step(model: RowModel, work: Path) -> onnx.ModelProto:
    graph = StepGraph(model).eval()
    batch, bars = 2, 5
    ones = {name: torch.ones(batch, len(ROW_FIELDS)) for name in ("uniform", "temperature", "top_p", "min_p")}
    example = {
        "row": torch.zeros(batch, 9, dtype=torch.int64),
        "last": torch.tensor([[0, -1, -1, -1]] * batch),
        "last_pitch": torch.full((batch, MAX_PARTS), 128),
        "bars": torch.full((batch, bars, len(BAR_FIELDS)), 1),
        "bar_count": torch.full((batch,), bars),
        "programs": torch.zeros(batch, MAX_PARTS, dtype=torch.int64),
        "controls": torch.zeros(batch, len(CONTROL_SIZES), dtype=torch.int64),
        "pitch_masks": torch.ones(3, 128, dtype=torch.bool),
        "mask_index": torch.ones(batch, bars, 16, MAX_PARTS, dtype=torch.int64),
        "position_masks": torch.ones(3, ROW_SIZES[1], dtype=torch.bool),
        "position_index": torch.zeros(batch, bars, dtype=torch.int64),
        "end_bar": torch.zeros(batch, dtype=torch.int64),
        "must_play": torch.zeros(batch, MAX_PARTS, dtype=torch.bool),
        "force": torch.full((batch, len(ROW_FIELDS)), -1),
        "count": torch.tensor(3),
        **{name: 0.5 * value for name, value in ones.items()},
    }
    for name, value in model.trunk.initial_state(batch).items():
        example[name] = value[:, :, :7] if name.startswith("cache.") else value
    axes: dict[str, dict[int, str]] = {name: {0: "B"} for name in (*graph.input_names, *graph.output_names)}
    axes.pop("count", None)
    axes |= {"pitch_masks": {0: "M"}, "position_masks": {0: "Q"}}
    axes |= {name: {0: "B", 1: "N"} for name in ("bars", "mask_index", "position_index")}
    axes |= {name: {0: "B", 2: "W"} for name in graph.state_names if name.startswith("cache.")}
    return to_onnx(graph, tuple(example[name] for name in graph.input_names), axes, work / STEP_FILE)


def _export_score(model: RowModel, work: Path) -> onnx.ModelProto:
    graph = ScoreGraph(model).eval()
    batch = random_batch(2, 9, 5)
    axes = {name: {0: "B", 1: "T"} for name in ("inputs", "targets", "previous_pitch", *graph.output_names)}
    axes |= {"bars": {0: "B", 1: "N"}, "programs": {0: "B"}, "controls": {0: "B"}}
    return to_onnx(graph, tuple(batch[name] for name in graph.input_names), axes, work / SCORE_FILE)


def to_onnx(
    graph: Any, example: tuple[Tensor, ...], axes: dict[str, dict[int, str]], path: Path
) -> onnx.ModelProto:
    """Traces a graph (a module with input_names and output_names) and folds its constants with onnxruntime's portable (basic) rewrites."""
    raw = path.with_suffix(".raw")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer warns of every python number
        torch.onnx.export(
            nn.Module.eval(graph), example, str(raw), dynamo=False, opset_version=OPSET,
            input_names=list(graph.input_names), output_names=list(graph.output_names), dynamic_axes=axes,
        )  # fmt: skip
    folded = _folded(raw, path.with_suffix(".folded"))
    raw.unlink()
    return folded


def _folded(raw: Path, out: Path) -> onnx.ModelProto:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(out)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(raw), options, providers=["CPUExecutionProvider"])
    model = onnx.load(str(out))
    out.unlink()
    return model


def write_graphs(graphs: dict[str, onnx.ModelProto], folder: Path, *, int8: bool) -> None:
    """Saves graphs with their larger tensors in one weights file, each content once."""
    shared = bytearray()
    places: dict[bytes, tuple[int, int]] = {}
    for name, graph in graphs.items():
        copy = onnx.ModelProto()
        copy.CopyFrom(graph)
        if int8:
            _store_int8(copy.graph)
        for tensor in copy.graph.initializer:
            _move_out(tensor, shared, places)
        (folder / name).write_bytes(copy.SerializeToString(deterministic=True))
    (folder / WEIGHTS_FILE).write_bytes(bytes(shared))


def _move_out(tensor: TensorProto, shared: bytearray, places: dict[bytes, tuple[int, int]]) -> None:
    raw = numpy_helper.to_array(tensor).tobytes()
    if len(raw) < SMALLEST_SHARED:
        return
    key = hashlib.sha256(raw).digest()
    if key not in places:
        shared.extend(bytes(-len(shared) % ALIGNMENT))
        places[key] = (len(shared), len(raw))
        shared.extend(raw)
    offset, length = places[key]
    for unused in ("raw_data", "float_data", "int32_data", "int64_data", "double_data"):
        tensor.ClearField(unused)
    del tensor.external_data[:]
    for entry, value in (("location", WEIGHTS_FILE), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=entry, value=str(value))
    tensor.data_location = TensorProto.EXTERNAL


def _store_int8(graph: onnx.GraphProto) -> None:
    """Replaces large float weights by int8 and a scale per output channel: Cast, then Mul to the old name."""
    channel = _channel_axes(graph)
    unfolded, kept = [], []
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if tensor.name not in channel or array.dtype != np.float32 or array.size < SMALLEST_INT8 or array.ndim < 2:
            kept.append(tensor)
            continue
        axis = channel[tensor.name] % array.ndim
        over = tuple(a for a in range(array.ndim) if a != axis and not (array.ndim == 3 and a == 0))
        scale = np.maximum(np.abs(array).max(over, keepdims=True) / 127, 1e-12).astype(np.float32)
        small = np.clip(np.rint(array / scale), -127, 127).astype(np.int8)
        name = tensor.name
        kept += [numpy_helper.from_array(small, f"{name}.int8"), numpy_helper.from_array(scale, f"{name}.scale")]
        unfolded.append(helper.make_node("Cast", [f"{name}.int8"], [f"{name}.float"], to=TensorProto.FLOAT))
        unfolded.append(helper.make_node("Mul", [f"{name}.float", f"{name}.scale"], [name]))
    nodes = [*unfolded, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)


def _channel_axes(graph: onnx.GraphProto) -> dict[str, int]:
    """Axis of the output channels of every weight, by what reads it (rows for embedding tables)."""
    axes: dict[str, int] = {}
    for node in graph.node:
        if node.op_type == "MatMul":
            axes[node.input[1]] = -1
        elif node.op_type == "Gemm":
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            axes[node.input[1]] = 0 if transposed else 1
        elif node.op_type in ("LSTM", "GRU", "RNN"):
            axes |= dict.fromkeys(node.input[1:3], 1)
        elif node.op_type == "Gather":
            axes.setdefault(node.input[0], 0)
    return axes


def _open(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _run_score(path: Path, batch: dict[str, Tensor]) -> dict[str, np.ndarray]:
    session = _open(path)
    names = [out.name for out in session.get_outputs()]
    feed = {i.name: batch[i.name].numpy() for i in session.get_inputs()}
    return dict(zip(names, session.run(names, feed)))


def _load_seconds(path: Path) -> float:
    start = time.perf_counter()
    _open(path)
    return round(time.perf_counter() - start, 3)

"""A network back from a model package, so that it can be trained further.

A package holds its weights once, as the graphs read them: int8 with scales, transposed, gates in ONNX's order. When a
package is written, ``weight_map`` notes where each parameter stands in the graphs; ``restore_network`` reads it back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import external_data_helper, numpy_helper

from zhiyin.errors import PackageError
from zhiyin.models.catalog import build
from zhiyin.models.rows import RowModel
from zhiyin.provenance.package import SCORE, STEP, Package

# Gate order of ONNX in terms of torch's (i f g o; r z n).
_GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}


def weight_map(model: RowModel, folder: Path) -> dict[str, list[Any]]:
    """parameter -> [[graph tensor, how it is laid there], …] for every parameter of a freshly exported folder.

    Found by comparing numbers, so it holds for whatever the exporter did. Raises PackageError for one that is nowhere.
    """
    tensors = read_tensors(folder)
    found: dict[str, list[Any]] = {}
    for name, parameter in model.state_dict().items():
        array = parameter.detach().cpu().float().numpy()
        places = next((p for p in (_places(tensors, blocks, model.family) for blocks in _cuts(array)) if p), None)
        if places is None:
            raise PackageError(
                f"Parameter {name} is in no graph", expected="a tensor with its numbers", received=f"{len(tensors)} tensors"
            )
        found[name] = places
    return found


def _cuts(array: np.ndarray) -> Iterator[list[np.ndarray]]:
    """The parameter whole, then in three blocks of rows (a layer that is applied piece by piece)."""
    yield [array]
    if array.ndim == 2 and array.shape[0] % 3 == 0:
        yield list(np.split(array, 3))


def _places(tensors: Mapping[str, np.ndarray], blocks: list[np.ndarray], family: str) -> list[Any] | None:
    """[graph tensor, way] of every block, or None where one is nowhere."""
    places = [
        next(([t, how] for t, value in tensors.items() for how in _ways(family) if _fits(value, block, how, family)), None)
        for block in blocks
    ]
    return None if None in places else places


def restore_network(package: Package) -> RowModel:
    """The network of a package (weights as shipped: int8 stays rounded). Raises PackageError when it cannot be rebuilt."""
    manifest = package.manifest
    if "weights" not in manifest:
        raise PackageError(
            f"{package.name} cannot be trained further", expected="a weight map in its manifest", received="none"
        )
    model = build(manifest["family"], **manifest["sizes"])
    tensors = read_tensors(package.folder)
    state = {}
    for name, parameter in model.state_dict().items():
        places = manifest["weights"][name]
        shape = (parameter.shape[0] // len(places), *parameter.shape[1:]) if parameter.ndim else ()
        blocks = [_undo(tensors[tensor], how, shape, model.family) for tensor, how in places]
        state[name] = torch.from_numpy(np.concatenate(blocks) if parameter.ndim else blocks[0].copy())
    model.load_state_dict(state)
    return model


def read_tensors(folder: Path) -> dict[str, np.ndarray]:
    """All float tensors of a package's graphs by "graph:name", int8 ones unfolded."""
    out: dict[str, np.ndarray] = {}
    for file in (SCORE, STEP):
        graph = onnx.load(str(folder / file), load_external_data=False)
        external_data_helper.load_external_data_for_model(graph, str(folder))
        raw = {t.name: numpy_helper.to_array(t) for t in graph.graph.initializer}
        for name, value in raw.items():
            if name.endswith(".int8"):
                out[f"{file}:{name[:-5]}"] = value.astype(np.float32) * raw[f"{name[:-5]}.scale"]
            elif value.dtype == np.float32 and not name.endswith(".scale"):
                out[f"{file}:{name}"] = value
    return out


def _ways(family: str) -> Iterator[str]:
    yield from ("same", "transposed")
    if family in _GATES:
        yield from ("gates", "bias_in", "bias_recurrent")


def _lay(array: np.ndarray, how: str, family: str) -> np.ndarray:
    """The parameter as a graph holds it."""
    if how == "transposed":
        return array.T
    if how in ("gates", "bias_in", "bias_recurrent"):
        order = _GATES[family]
        blocks = array.reshape(len(order), -1, *array.shape[1:])
        return blocks[list(order)].reshape(array.shape)
    return array


def _part(value: np.ndarray, how: str) -> np.ndarray:
    """The part of a graph tensor that a parameter is."""
    if how in ("bias_in", "bias_recurrent"):
        half = value.shape[-1] // 2
        return value[..., :half] if how == "bias_in" else value[..., half:]
    return value


def _fits(value: np.ndarray, array: np.ndarray, how: str, family: str) -> bool:
    if (how == "transposed" and array.ndim != 2) or (how.startswith("bias") and (array.ndim != 1 or value.ndim != 2)):
        return False
    if how == "gates" and (array.ndim != 2 or array.shape[0] % len(_GATES[family])):
        return False
    part = _part(value, how)
    if part.size != array.size:
        return False
    wanted = _lay(array, how, family)
    if part.shape[-1:] != wanted.shape[-1:]:
        return False
    part = part.reshape(wanted.shape)
    step = np.abs(wanted).max() / 127 + 1e-7  # int8 rounding moves a number by half a step of its channel at most
    return bool(np.abs(part - wanted).max() <= 0.51 * step)


def _undo(value: np.ndarray, how: str, shape: tuple[int, ...], family: str) -> np.ndarray:
    part = _part(value, how)
    if how == "transposed":
        return part.reshape(shape[::-1]).T
    part = part.reshape(shape)
    if how in ("gates", "bias_in", "bias_recurrent"):
        order = _GATES[family]
        blocks = part.reshape(len(order), -1, *shape[1:])
        back = np.empty_like(blocks)
        back[list(order)] = blocks
        return back.reshape(shape)
    return part

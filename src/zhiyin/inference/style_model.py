"""A fitted style classifier as plain arrays: standardising, linear scores, temperature, and how far is too far.

    z = (x - mean) / scale, clipped            inputs on one footing
    scores = z @ weight + bias                 one head per label set, labels as if equally common
    probabilities = softmax(scores / T)        T fitted on folds that the scores were not fitted on
    distance = |whitened offset to the nearest training centre| + what the axes leave over

scikit-learn fits the arrays (``training/style.py``); numpy alone uses them. Never a pickle.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import PackageError
from zhiyin.formats.files import read_bytes
from zhiyin.inference.style_inputs import INPUTS, Hearing
from zhiyin.provenance.package import STYLE as ARRAYS
from zhiyin.provenance.package import WEIGHTS, Package, load_package

MAX_BYTES = 64 * 1024 * 1024
CLIP = 4.0


@dataclass(frozen=True)
class Head:
    """One label set. weight: float32 (F, C); bias: (C,); means: (F, C), what training pieces of a class measure, standardised;
    one_collection: label -> the only collection it was learnt from, where that is so."""

    name: str
    classes: tuple[str, ...]
    weight: np.ndarray
    bias: np.ndarray
    means: np.ndarray
    temperature: float = 1.0
    one_collection: Mapping[str, str] = field(default_factory=dict)

    def scores(self, z: np.ndarray) -> np.ndarray:
        """Linear scores over the temperature, (N, C)."""
        return (z @ self.weight + self.bias) / self.temperature

    def probabilities(self, z: np.ndarray) -> np.ndarray:
        """Calibrated probabilities (N, C), rows sum to 1."""
        return softmax(self.scores(z))


@dataclass(frozen=True)
class Reach:
    """Where training music lies. axes: (F, K), whitening and at right angles to each other; centres: (M, K) on them; spare: what is usual
    beside the axes; limit: the distance beyond which a piece is none of these."""

    axes: np.ndarray
    centres: np.ndarray
    spare: float
    limit: float

    def distance(self, z: np.ndarray) -> np.ndarray:
        """Distance (N,): to the nearest centre along the axes, plus what lies beside them, in units of what is usual."""
        place = z @ self.axes
        near = (place**2).sum(axis=1)[:, None] + (self.centres**2).sum(axis=1) - 2 * place @ self.centres.T
        return np.sqrt(np.maximum(near.min(axis=1), 0) / self.axes.shape[1]) + self.beside(z) / self.spare

    def beside(self, z: np.ndarray) -> np.ndarray:
        """What the axes leave over of each input, root mean square (N,)."""
        length = np.maximum((self.axes**2).sum(axis=0), 1e-12)
        left = (z**2).sum(axis=1) - ((z @ self.axes) ** 2 / length).sum(axis=1)
        return np.sqrt(np.maximum(left, 0) / z.shape[1])


@dataclass(frozen=True)
class StyleModel:
    """A classifier of several label sets over the same inputs."""

    mean: np.ndarray
    scale: np.ndarray
    heads: tuple[Head, ...]
    reach: Reach
    hearing: Hearing = field(default_factory=Hearing)
    name: str = ""

    def standard(self, x: np.ndarray) -> np.ndarray:
        """Inputs (N, F) on one footing."""
        return np.clip((x - self.mean) / self.scale, -CLIP, CLIP).astype(np.float32)

    def head(self, name: str) -> Head:
        """A head by the name of its label set; PackageError where there is none."""
        found = next((h for h in self.heads if h.name == name), None)
        if found is None:
            raise PackageError(
                "The package has no such label set", expected=", ".join(h.name for h in self.heads), received=name
            )
        return found


def softmax(scores: np.ndarray) -> np.ndarray:
    """Rows of scores as probabilities."""
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def pack(model: StyleModel) -> bytes:
    """The arrays of a model as one .npz (names of classes stand in the manifest)."""
    arrays: dict[str, np.ndarray] = {
        "mean": model.mean.astype(np.float32), "scale": model.scale.astype(np.float32),
        "axes": model.reach.axes.astype(np.float16), "centres": model.reach.centres.astype(np.float16),
        "reach": np.array([model.reach.spare, model.reach.limit], dtype=np.float64),
    }  # fmt: skip
    for i, head in enumerate(model.heads):
        arrays |= {
            f"weight{i}": head.weight.astype(np.float16), f"bias{i}": head.bias.astype(np.float32),
            f"means{i}": head.means.astype(np.float16), f"temperature{i}": np.array(head.temperature),
        }  # fmt: skip
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def unpack(data: bytes, names: Sequence[Mapping[str, Any]], hearing: Hearing | None = None, name: str = "") -> StyleModel:
    """A model from its arrays. ``names``: {"name", "classes"} of every head, in order. Raises PackageError where they do not fit."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as a:
            heads = tuple(
                Head(
                    str(n["name"]), tuple(map(str, n["classes"])), a[f"weight{i}"].astype(np.float32), a[f"bias{i}"],
                    a[f"means{i}"].astype(np.float32), float(a[f"temperature{i}"]), dict(n.get("one_collection", {})),
                )
                for i, n in enumerate(names)
            )  # fmt: skip
            reach = Reach(a["axes"].astype(np.float32), a["centres"].astype(np.float32), *map(float, a["reach"]))
            model = StyleModel(a["mean"], a["scale"], heads, reach, hearing or Hearing(), name)
    except (KeyError, ValueError, OSError, TypeError) as e:
        raise PackageError(f"{ARRAYS} is damaged", expected="the arrays of a style package", received=f"{type(e).__name__}: {e}") from None
    for head in model.heads:
        if head.weight.shape != (len(model.mean), len(head.classes)):
            raise PackageError(
                f"{ARRAYS} does not fit the manifest", expected=f"weights {(len(model.mean), len(head.classes))} for {head.name}",
                received=str(head.weight.shape),
            )  # fmt: skip
    return model


def open_model(name: str | Path | Package = "style") -> StyleModel:
    """The model of a package, checked; the last ones are kept by the package's hash."""
    package = name if isinstance(name, Package) else load_package(name)
    package.graph_path(ARRAYS)
    return _kept(package.hash, package.folder)


@lru_cache(maxsize=2)
def _kept(hash_: str, folder: Path) -> StyleModel:
    package = load_package(folder)
    facts = package.manifest.get("style") or {}
    if facts.get("inputs") != INPUTS:
        raise PackageError(
            f"The package {package.name!r} reads other inputs", expected=INPUTS, received=str(facts.get("inputs")),
            hint="train it again: zhiyin train FOLDER --family style",
        )  # fmt: skip
    hearing = Hearing(str(facts.get("hear", "")), str(facts.get("embedding", "")))
    _check_embedding(package.name, hearing.embedding, str(facts.get("embedding_sha256", "")))
    return unpack(read_bytes(folder / ARRAYS, MAX_BYTES), facts["heads"], hearing, package.name)


def _check_embedding(name: str, embedding: str, expected: str) -> None:
    """The vector must come from the very weights that the classifier was fitted on."""
    if embedding and (received := load_package(embedding).manifest["files"][WEIGHTS]) != expected:
        raise PackageError(
            f"The package {name!r} was fitted on another {embedding!r}", expected=f"weights sha256 {expected[:16]}…",
            received=f"{received[:16]}…", hint="train it again: zhiyin train FOLDER --family style",
        )  # fmt: skip

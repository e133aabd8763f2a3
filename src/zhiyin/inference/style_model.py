"""A fitted style classifier as plain arrays: standardising, kernel scores, temperature, and how far is too far.

    z = (x - mean) / scale, clipped                      inputs on one footing
    k_n = exp(-gamma |z - point_n|^2 / F)                likeness to training pieces (of each label at most so many are kept)
    scores = k @ weight                                  one head per label set, labels as if equally common
    probabilities = softmax(scores / T)                  T fitted on folds that the scores were not fitted on
    distance = root mean square over inputs and the five nearest points of z - point_n

Where figures are heard, too (``style_grams``), their profiles g have a likeness of their own, exp(-|g - g_n|^2 / width), and k is the mean of both.

scikit-learn fits the arrays (``training/style_fit.py``); numpy alone uses them. Never a pickle.
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
STEPS = 127 / CLIP  # points are kept as int8
NEAREST = 5


@dataclass(frozen=True)
class Head:
    """One label set. rows: int (M,), points that have a label; weight: float32 (M, C); means: (F, C), what training pieces of a label
    measure, standardised; one_collection: label -> the only collection it was learnt from, where that is so."""

    name: str
    classes: tuple[str, ...]
    rows: np.ndarray
    weight: np.ndarray
    means: np.ndarray
    temperature: float = 1.0
    one_collection: Mapping[str, str] = field(default_factory=dict)

    def scores(self, likeness: np.ndarray) -> np.ndarray:
        """Scores over the temperature (n, C) from likeness (n, N) to all points."""
        return (likeness[:, self.rows] @ self.weight) / self.temperature

    def probabilities(self, likeness: np.ndarray) -> np.ndarray:
        """Calibrated probabilities (n, C), rows sum to 1."""
        return softmax(self.scores(likeness))


@dataclass(frozen=True)
class StyleModel:
    """A classifier of several label sets over the same inputs. mean, scale: (F,); points: float32 (N, F), standardised training pieces;
    limit: the distance beyond which a piece is none of these; width: of the likeness of profiles (0 = none are heard)."""

    mean: np.ndarray
    scale: np.ndarray
    points: np.ndarray
    gamma: float
    limit: float = np.inf
    width: float = 0.0
    heads: tuple[Head, ...] = ()
    hearing: Hearing = field(default_factory=Hearing)
    name: str = ""

    def standard(self, x: np.ndarray) -> np.ndarray:
        """Inputs (n, F) on one footing."""
        return np.clip((x - self.mean) / self.scale, -CLIP, CLIP).astype(np.float32)

    @property
    def lead(self) -> int:
        """How many inputs come before the profile of figures."""
        return len(self.mean) - self.hearing.grams

    def likeness(self, z: np.ndarray) -> np.ndarray:
        """Gaussian likeness (n, N) of standardised inputs to the points."""
        near, lead = self.near(z), self.lead
        return near if lead == len(self.mean) else (near + likeness(z[:, lead:], self.points[:, lead:], (len(self.mean) - lead) / self.width)) / 2

    def near(self, z: np.ndarray) -> np.ndarray:
        """Likeness (n, N) by descriptors and embedding alone."""
        return likeness(z[:, : self.lead], self.points[:, : self.lead], self.gamma)

    def distance(self, z: np.ndarray) -> np.ndarray:
        """How far (n,) standardised inputs lie from the training music, 1 = as far as its own unseen pieces hardly ever lie."""
        return distance_of(self.near(z), self.gamma) / self.limit

    def said_of(self, x: np.ndarray, head: int = 0) -> np.ndarray:
        """Probabilities (n, C) of one head for inputs (n, F) as they were measured."""
        return self.heads[head].probabilities(self.likeness(self.standard(x)))

    def head(self, name: str) -> Head:
        """A head by the name of its label set; PackageError where there is none."""
        found = next((h for h in self.heads if h.name == name), None)
        if found is None:
            raise PackageError("The package has no such label set", expected=", ".join(h.name for h in self.heads), received=name)
        return found


def likeness(z: np.ndarray, points: np.ndarray, gamma: float) -> np.ndarray:
    """exp(-gamma |z - point|^2 / F), (n, N)."""
    apart = (z**2).sum(axis=1)[:, None] + (points**2).sum(axis=1) - 2 * z @ points.T
    return np.exp(-gamma / z.shape[1] * np.maximum(apart, 0))


def distance_of(like: np.ndarray, gamma: float) -> np.ndarray:
    """Root mean square, over inputs and the nearest points, of the way there; from likeness (n, N)."""
    count = min(NEAREST, like.shape[1])
    near = np.partition(-like, count - 1, axis=1)[:, :count]
    return np.sqrt(-np.log(np.maximum(-near, 1e-30)).mean(axis=1) / gamma)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Rows of scores as probabilities."""
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def rounded(z: np.ndarray, grams: int = 0) -> np.ndarray:
    """Standardised inputs as they are kept, float32: in steps of an int8, the last ``grams`` as float16."""
    lead = z.shape[1] - grams
    kept = [np.round(np.clip(z[:, :lead], -CLIP, CLIP) * STEPS) / STEPS, z[:, lead:].astype(np.float16)]
    return np.hstack(kept).astype(np.float32)


def pack(model: StyleModel) -> bytes:
    """The arrays of a model as one .npz (names of labels stand in the manifest)."""
    arrays: dict[str, np.ndarray] = {
        "mean": model.mean.astype(np.float32), "scale": model.scale.astype(np.float32),
        "points": np.round(model.points[:, : model.lead] * STEPS).astype(np.int8),
        "reach": np.array([model.gamma, model.limit, model.width]),
    }  # fmt: skip
    if model.hearing.grams:
        arrays["grams"] = model.points[:, model.lead :].astype(np.float16)
    for i, head in enumerate(model.heads):
        arrays |= {
            f"rows{i}": head.rows.astype(np.int32), f"weight{i}": head.weight.astype(np.float16), f"means{i}": head.means.astype(np.float16),
            f"temperature{i}": np.array(head.temperature),
        }  # fmt: skip
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def unpack(data: bytes, names: Sequence[Mapping[str, Any]], hearing: Hearing | None = None, name: str = "") -> StyleModel:
    """A model from its arrays. ``names``: {"name", "classes"} of every head, in order. Raises PackageError where they do not fit."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as a:
            points = a["points"].astype(np.float32) / np.float32(STEPS)
            if hearing is not None and hearing.grams:
                points = np.hstack([points, a["grams"].astype(np.float32)])
            heads = tuple(_head(a, i, n) for i, n in enumerate(names))
            model = StyleModel(a["mean"], a["scale"], points, float(a["reach"][0]), float(a["reach"][1]), float(a["reach"][2]), heads, hearing or Hearing(), name)
    except (KeyError, ValueError, OSError, TypeError) as e:
        raise PackageError(f"{ARRAYS} is damaged", expected="the arrays of a style package", received=f"{type(e).__name__}: {e}") from None
    for head in model.heads:
        expected = (len(head.rows), len(head.classes))
        if head.weight.shape != expected or (len(head.rows) and not 0 <= head.rows.min() <= head.rows.max() < len(points)):
            raise PackageError(
                f"{ARRAYS} does not fit the manifest", expected=f"weights {expected} of {len(points)} points for {head.name}",
                received=str(head.weight.shape),
            )  # fmt: skip
    return model


def _head(a: Mapping[str, np.ndarray], i: int, told: Mapping[str, Any]) -> Head:
    weight, means = a[f"weight{i}"].astype(np.float32), a[f"means{i}"].astype(np.float32)
    return Head(
        str(told["name"]), tuple(map(str, told["classes"])), a[f"rows{i}"], weight, means, float(a[f"temperature{i}"]),
        dict(told.get("one_collection", {})),
    )  # fmt: skip


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

"""Fits the arrays of a style classifier with scikit-learn: linear scores per label set, temperature, reach.

Everything that is reported or calibrated comes from folds whose pieces, and all near duplicates of them, were not fitted on.
The probabilities mean: as if every label were equally common.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zhiyin.errors import TrainingError
from zhiyin.inference.style_model import Head, Reach, StyleModel, softmax

STYLE = "style"  # the family
_LEAST_SCALE = 1e-6


@dataclass(frozen=True)
class StyleSizes:
    """What decides a fit. hear: kinds of descriptors heard besides the usual ones, of velocity, tempo, program, register; embedding: the package
    whose vector is heard too ("" = none); labels: label sets ("" = all that are there); least: pieces a label needs; strength: inverse of
    the penalty on weights; axes, centres: of the reach; inside: share of unseen training music that counts as near."""

    hear: str = ""
    embedding: str = "embedding"
    labels: str = ""
    least: int = 3
    folds: int = 5
    strength: float = 0.01
    axes: int = 48
    centres: int = 64
    inside: float = 0.98
    splits: str = ""


@dataclass(frozen=True)
class Examples:
    """Training pieces: inputs x (N, F); labels: label set -> names (N,), "" where not known; groups (N,): near duplicates and movements
    of a work share one; weights (N,): editions of one work share the weight of a piece."""

    x: np.ndarray
    labels: Mapping[str, np.ndarray]
    groups: np.ndarray
    weights: np.ndarray

    def part(self, chosen: np.ndarray) -> Examples:
        """The chosen pieces (mask or indices)."""
        return Examples(self.x[chosen], {k: v[chosen] for k, v in self.labels.items()}, self.groups[chosen], self.weights[chosen])


@dataclass(frozen=True)
class HeldOut:
    """What was said of pieces that were not fitted on: which (n,) of the examples, their labels (n,), probabilities (n, C) of ``classes``."""

    name: str
    classes: tuple[str, ...]
    index: np.ndarray
    truth: np.ndarray
    p: np.ndarray

    @property
    def said(self) -> np.ndarray:
        """The likeliest label of each, (n,)."""
        return np.array(self.classes)[self.p.argmax(axis=1)]


Progress = Callable[[int, int, str], None]


def fit(examples: Examples, sizes: StyleSizes, *, seed: int = 0, progress: Progress | None = None) -> tuple[StyleModel, list[HeldOut]]:
    """The model of all label sets, and what its folds said of pieces that they had not seen. Raises TrainingError where labels are too few."""
    mean, scale = standard_of(examples.x)
    bare = StyleModel(mean, scale, (), Reach(np.zeros((examples.x.shape[1], 1)), np.zeros((1, 1)), 1.0, 1.0))
    z = bare.standard(examples.x)
    heads, told = list[Head](), list[HeldOut]()
    for i, name in enumerate(examples.labels):
        if progress:
            progress(i, len(examples.labels), name)
        index, truth, classes = known_labels(examples, name, sizes.least)
        held = cross_fit(examples.part(index), truth, classes, sizes, name=name, seed=seed)
        warm = temperature_of(held.p, held.truth, classes)
        head = fit_head(name, classes, z[index], truth, examples.weights[index], sizes.strength)
        heads.append(replace(head, temperature=warm))
        told.append(replace(held, index=index, p=softmax(np.log(np.maximum(held.p, 1e-12)) / warm)))
    reach = fit_reach(z, examples.groups, sizes, seed)
    return StyleModel(mean, scale, tuple(heads), reach), told


def known_labels(examples: Examples, name: str, least: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """(indices of the pieces whose label has at least ``least`` works, their labels, the classes in order)."""
    labels = examples.labels[name]
    works = {c: len(set(examples.groups[labels == c].tolist())) for c in np.unique(labels) if c}
    classes = tuple(str(c) for c, n in works.items() if n >= least)
    if len(classes) < 2:
        raise TrainingError(
            f"Too few labels to tell apart in {name!r}", expected=f"at least 2 labels with {least} different pieces each",
            received=", ".join(f"{c}: {n}" for c, n in sorted(works.items())[:8]) or "no labels",
            hint="one sub-folder per label, or a table of file,label",
        )  # fmt: skip
    index = np.flatnonzero(np.isin(labels, classes))
    return index, labels[index], classes


def standard_of(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of inputs (N, F), each (F,); an input that never varies keeps scale 1."""
    spread = x.std(axis=0)
    return x.mean(axis=0), np.where(spread > _LEAST_SCALE, spread, 1.0)


def fit_head(name: str, classes: Sequence[str], z: np.ndarray, truth: np.ndarray, weights: np.ndarray, strength: float) -> Head:
    """Penalised multinomial logistic regression, classes weighted alike; temperature 1."""
    from sklearn.linear_model import LogisticRegression

    of = np.searchsorted(np.array(classes), truth)
    balance = weights / np.bincount(of, weights, minlength=len(classes))[of]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # stopping early is part of the recipe
        found = LogisticRegression(C=strength, max_iter=80).fit(z, of, sample_weight=balance * len(z) / len(classes))
    weight, bias = _columns(found, len(classes))
    means = np.stack([np.average(z[of == c], axis=0, weights=weights[of == c]) for c in range(len(classes))], axis=1)
    return Head(name, tuple(classes), weight.astype(np.float32), bias.astype(np.float32), means.astype(np.float32))


def _columns(found: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (F, C) and bias (C,) of a logistic regression; two classes have one column there and two here, labels that a fold lacks none."""
    weight, bias = found.coef_.T, found.intercept_
    if len(found.classes_) == 2:
        weight, bias = np.hstack([-weight, weight]) / 2, np.r_[-bias, bias] / 2
    full, shift = np.zeros((weight.shape[0], count)), np.full(count, -30.0)
    full[:, found.classes_], shift[found.classes_] = weight, bias
    return full, shift


def folds_of(truth: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(training, held-out) indices: labels spread evenly, groups never on both sides."""
    from sklearn.model_selection import StratifiedGroupKFold

    fewest = min(len(set(groups[truth == c].tolist())) for c in np.unique(truth))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from StratifiedGroupKFold(max(2, min(folds, fewest)), shuffle=True, random_state=seed).split(truth, truth, groups)


def cross_fit(examples: Examples, truth: np.ndarray, classes: Sequence[str], sizes: StyleSizes, *, name: str = "", seed: int = 0) -> HeldOut:
    """Probabilities at temperature 1 of every example by a fold that had not seen it."""
    p = np.zeros((len(truth), len(classes)))
    for train, test in folds_of(truth, examples.groups, sizes.folds, seed):
        mean, scale = standard_of(examples.x[train])
        model = StyleModel(mean, scale, (), Reach(np.zeros((1, 1)), np.zeros((1, 1)), 1.0, 1.0))
        head = fit_head(name, classes, model.standard(examples.x[train]), truth[train], examples.weights[train], sizes.strength)
        p[test] = head.probabilities(model.standard(examples.x[test]))
    return HeldOut(name, tuple(classes), np.arange(len(truth)), truth, p)


def temperature_of(p: np.ndarray, truth: np.ndarray, classes: Sequence[str]) -> float:
    """The temperature that makes held-out probabilities (n, C) likeliest, labels weighted alike (Guo et al. 2017), by golden section."""
    of = np.searchsorted(np.array(classes), truth)
    weight = 1.0 / np.bincount(of, minlength=len(classes))[of]
    logs = np.log(np.maximum(p, 1e-12))

    def loss(log_t: float) -> float:
        q = softmax(logs / np.exp(log_t))
        return float(-(weight * np.log(np.maximum(q[np.arange(len(of)), of], 1e-12))).sum())

    low, high, ratio = np.log(0.2), np.log(5.0), (np.sqrt(5) - 1) / 2
    for _ in range(40):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float(np.exp((low + high) / 2))


def fit_reach(z: np.ndarray, groups: np.ndarray, sizes: StyleSizes, seed: int) -> Reach:
    """Where the training music lies; the limit is what ``inside`` of the pieces of unseen groups stay below."""
    from sklearn.model_selection import GroupKFold

    count = min(4, len(np.unique(groups)))
    if count < 2:
        raise TrainingError("Too few pieces", expected="at least 2 different ones", received=str(count))
    far = np.zeros(len(z))
    for train, test in GroupKFold(count, shuffle=True, random_state=seed).split(z, groups=groups):
        far[test] = _reach(z[train], sizes, seed).distance(z[test])
    limit = float(np.quantile(far, sizes.inside)) * (1 + 4 / len(z))  # a few pieces do not show how far their kind goes
    return replace(_reach(z, sizes, seed), limit=limit)


def _reach(z: np.ndarray, sizes: StyleSizes, seed: int) -> Reach:
    """Principal axes that whiten, centres of clusters on them, and what is usual beside the axes; limit 1."""
    from sklearn.cluster import MiniBatchKMeans

    count = int(min(sizes.axes, len(z) // 4 + 1, z.shape[1]))
    middle = z.mean(axis=0)
    _, values, across = np.linalg.svd(z[_spread(len(z), 4096, seed)] - middle, full_matrices=False)
    spread = np.maximum(values[:count], 1e-6 * values[0]) / np.sqrt(min(len(z), 4096))
    axes = (across[:count].T / spread).astype(np.float32)
    place = z @ axes
    centres = min(sizes.centres, max(1, len(z) // 4))
    found = MiniBatchKMeans(centres, random_state=seed, n_init=2, batch_size=1024).fit(place).cluster_centers_
    bare = Reach(axes, found.astype(np.float32), 1.0, 1.0)
    return replace(bare, spare=max(float(np.median(bare.beside(z))), 1e-6))


def _spread(count: int, most: int, seed: int) -> np.ndarray:
    return np.arange(count) if count <= most else np.sort(np.random.default_rng(seed).choice(count, most, replace=False))

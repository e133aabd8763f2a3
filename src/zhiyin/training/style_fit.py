"""Fits the arrays of a style classifier (folds by scikit-learn, solving by scipy): kernel scores per label set, temperature, reach.

Kernel ridge regression onto one column per label, every label weighing alike (a least-squares support vector machine: Suykens and
Vandewalle 1999; Saunders et al. 1998), over a Gaussian kernel of standardised inputs.

Everything that is reported or calibrated comes from folds whose pieces, and all near duplicates of them, were not fitted on.
The probabilities mean: as if every label were equally common.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from zhiyin.errors import TrainingError
from zhiyin.inference.style_inputs import Hearing
from zhiyin.inference.style_model import Head, StyleModel, distance_of, rounded, softmax

STYLE = "style"  # the family
SHARP = 10.0  # what a score of 1 stands for, so that temperatures are about 1
_LEAST_SCALE = 1e-6


@dataclass(frozen=True)
class StyleSizes:
    """What decides a fit. hear: what is heard besides the usual descriptors, of velocity, tempo, program, register, grams; embedding: the package
    whose vector is heard too ("" = none); labels: label sets ("" = all that are there); least: works a label needs; most: pieces of a
    label that are fitted on, drawn with the seed (0 = all); gamma: of the kernel; ridge: penalty; inside: share of unseen training music that
    counts as near; splits: of a built corpus that are fitted on ("" = all)."""

    hear: str = ""
    embedding: str = "embedding"
    labels: str = ""
    least: int = 3
    folds: int = 5
    most: int = 0
    gamma: float = 0.5
    ridge: float = 0.02
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
    model = bare(examples, sizes)
    like = model.likeness(model.points)
    heads, told = list[Head](), list[HeldOut]()
    for i, name in enumerate(examples.labels):
        if progress:
            progress(i, len(examples.labels), name)
        index, truth, classes = known_labels(examples, name, sizes.least)
        held = held_out(model, like, index, truth, classes, examples, sizes, name=name, seed=seed)
        warm = temperature_of(held.p, held.truth, classes)
        heads.append(replace(fit_head(model, like, index, truth, classes, examples.weights[index], sizes.ridge, name), temperature=warm))
        told.append(replace(held, p=warmed(held.p, warm)))
    return replace(model, heads=tuple(heads), limit=limit_of(model.near(model.points), examples.groups, sizes)), told


def fit_set(examples: Examples, truth: np.ndarray, classes: Sequence[str], sizes: StyleSizes, name: str = "") -> StyleModel:
    """A model of one label set, standardised on these very examples, at temperature 1 and without a limit."""
    model, index = bare(examples, sizes), np.arange(len(truth))
    head = fit_head(model, model.likeness(model.points), index, truth, classes, examples.weights, sizes.ridge, name)
    return replace(model, heads=(head,))


def bare(examples: Examples, sizes: StyleSizes) -> StyleModel:
    """Standardising and points, no heads. Profiles of figures are not standardised; their width is their mean square distance from their mean."""
    hearing = Hearing(sizes.hear, sizes.embedding)
    lead = examples.x.shape[1] - hearing.grams
    mean, scale = standard_of(examples.x)
    mean[lead:], scale[lead:] = 0, 1
    profiles = examples.x[:, lead:]
    width = 2 * float(((profiles - profiles.mean(axis=0)) ** 2).sum(axis=1).mean()) if hearing.grams else 0.0
    model = StyleModel(mean, scale, np.zeros((1, len(mean))), sizes.gamma, width=max(width, 1e-6) if hearing.grams else 0.0, hearing=hearing)
    return replace(model, points=rounded(model.standard(examples.x), hearing.grams))


def drawn(labels: Mapping[str, np.ndarray], groups: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Indices of the pieces that are heard and fitted on: of every label at most ``most``, one of a group before the second of any."""
    rng, chosen = np.random.default_rng(seed), np.zeros(len(groups), dtype=bool)
    for names in labels.values():
        enough = most if len(np.unique(names)) > 3 else 4 * most  # major and minor may have more
        for label in np.unique(names[names != ""]):
            mine = rng.permutation(np.flatnonzero(names == label))
            place = _place_in_group(groups[mine])
            order = mine[np.lexsort((np.arange(len(mine)), place, ~chosen[mine]))]  # those that another label set chose come first
            chosen[order[:enough]] = True
    return np.flatnonzero(chosen)


def _place_in_group(groups: np.ndarray) -> np.ndarray:
    """How many of its group stand before each, (n,)."""
    seen: dict[int, int] = {}
    out = np.zeros(len(groups), dtype=int)
    for i, g in enumerate(groups.tolist()):
        out[i] = seen.get(g, 0)
        seen[g] = out[i] + 1
    return out


def warmed(p: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (n, C) of temperature 1 at another."""
    return softmax(np.log(np.maximum(p, 1e-12)) / temperature)


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


def fit_head(
    model: StyleModel, like: np.ndarray, index: np.ndarray, truth: np.ndarray, classes: Sequence[str], weights: np.ndarray, ridge: float, name: str = ""
) -> Head:
    """Kernel ridge regression of points ``index`` (M,), whose labels are ``truth``, from likeness (N, N) of all points; temperature 1."""
    of = np.searchsorted(np.array(classes), truth)
    z = model.points[index]
    means = np.stack([np.average(z[of == c], axis=0, weights=weights[of == c]) if (of == c).any() else z.mean(axis=0) for c in range(len(classes))], axis=1)
    return Head(name, tuple(classes), index, _ridge(like[np.ix_(index, index)], of, len(classes), weights, ridge), means.astype(np.float32))


def _ridge(like: np.ndarray, of: np.ndarray, count: int, weights: np.ndarray, ridge: float) -> np.ndarray:
    """Weights float32 (M, C): (K + ridge / b) alpha = y, where b are the pieces' weights with every label weighing alike."""
    from scipy.linalg import cho_factor, cho_solve

    balance = weights / np.bincount(of, weights, minlength=count)[of] * len(of) / count
    target = SHARP * (np.eye(count, dtype=np.float32)[of] - np.float32(1 / count))
    system = np.array(like, dtype=np.float32)
    system[np.diag_indices(len(system))] += ridge / balance
    return np.asarray(cho_solve(cho_factor(system, lower=True, overwrite_a=True, check_finite=False), target), dtype=np.float32)


def folds_of(truth: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(training, held-out) indices: labels spread evenly, groups never on both sides."""
    from sklearn.model_selection import StratifiedGroupKFold

    fewest = min(len(set(groups[truth == c].tolist())) for c in np.unique(truth))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from StratifiedGroupKFold(max(2, min(folds, fewest)), shuffle=True, random_state=seed).split(truth, truth, groups)


def cross_fit(examples: Examples, truth: np.ndarray, classes: Sequence[str], sizes: StyleSizes, *, name: str = "", seed: int = 0) -> HeldOut:
    """Probabilities at temperature 1 of every example by a fold that had not seen it.

    Inputs are standardised once, over all examples; no label of a held-out piece is seen.
    """
    model = bare(examples, sizes)
    like = model.likeness(model.points)
    return held_out(model, like, np.arange(len(truth)), truth, classes, examples, sizes, name=name, seed=seed)


def held_out(
    model: StyleModel, like: np.ndarray, index: np.ndarray, truth: np.ndarray, classes: Sequence[str], examples: Examples, sizes: StyleSizes,
    *, name: str = "", seed: int = 0,
) -> HeldOut:  # fmt: skip
    """``cross_fit`` of the points ``index`` (M,), labels ``truth`` (M,), from likeness (N, N) of all examples."""
    p = np.zeros((len(truth), len(classes)))
    for train, test in folds_of(truth, examples.groups[index], sizes.folds, seed):
        head = fit_head(model, like, index[train], truth[train], classes, examples.weights[index[train]], sizes.ridge)
        p[test] = head.probabilities(like[index[test]])
    return HeldOut(name, tuple(classes), index, truth, p)


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


def limit_of(like: np.ndarray, groups: np.ndarray, sizes: StyleSizes) -> float:
    """The distance that the share ``inside`` of the pieces stay below, each measured to pieces of other groups."""
    others = np.where(groups[:, None] == groups[None], 0, like)
    if len(np.unique(groups)) < 2:
        raise TrainingError("Too few pieces", expected="at least 2 different ones", received=str(len(np.unique(groups))))
    far = distance_of(others, sizes.gamma)
    return float(np.quantile(far, sizes.inside)) * (1 + 4 / len(groups))  # a few pieces do not show how far their kind goes

"""What a classifier's answers are worth: accuracy, balanced accuracy, macro-F1, per label, confusion, calibration, with intervals.

Intervals are bootstraps of whole groups (pieces of a work, clips of a song), 95 %. Probabilities and calibration are weighed so that every
label counts alike, as the classifier means them. A perfect answer scores 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BINS = 10
DRAWS = 1000


@dataclass(frozen=True)
class Answers:
    """Truth (n,) as indices of ``classes``; p (R, n, C): probabilities of R repeats; groups (n,): what is drawn together."""

    classes: tuple[str, ...]
    truth: np.ndarray
    p: np.ndarray
    groups: np.ndarray

    @property
    def said(self) -> np.ndarray:
        """The likeliest label in every repeat, (R, n)."""
        return self.p.argmax(axis=2)


def report(answers: Answers, *, draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """All figures of answers; every one with an interval is {"mean", "low", "high"}."""
    counts = np.bincount(answers.truth, minlength=len(answers.classes))
    weights = _draws(answers.groups, draws, seed)
    tables = np.stack([_confusion(answers, w) for w in weights])
    whole = _confusion(answers, np.ones(len(answers.truth)))
    figures = {name: _interval(f(whole), f(tables)) for name, f in (("accuracy", accuracy), ("balanced_accuracy", balanced), ("macro_f1", macro_f1))}
    return {
        "n": len(answers.truth), "groups": len(np.unique(answers.groups)), "labels": len(answers.classes), "repeats": len(answers.p), **figures,
        "majority": {"accuracy": _round(counts.max() / counts.sum()), "balanced_accuracy": _round(1 / max((counts > 0).sum(), 1)), "macro_f1": _round(_majority_f1(counts))},
        "log_loss": _round(log_loss(answers)), **calibration(answers), "per_label": _per_label(answers, whole, counts),
        "confusion": np.round(whole.mean(axis=0), 2).tolist(), "classes": list(answers.classes),
    }  # fmt: skip


def _draws(groups: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """How often every piece is drawn, (draws, n): groups are drawn whole, with replacement."""
    _, of = np.unique(groups, return_inverse=True)
    count, rng = int(of.max()) + 1, np.random.default_rng(seed)
    return np.stack([np.bincount(rng.integers(0, count, count), minlength=count)[of] for _ in range(draws)])


def _confusion(answers: Answers, weights: np.ndarray) -> np.ndarray:
    """Counts (R, C true, C said) with weights (n,)."""
    size = len(answers.classes)
    flat = answers.truth[None] * size + answers.said
    return np.stack([np.bincount(row, weights, minlength=size * size).reshape(size, size) for row in flat])


def accuracy(table: np.ndarray) -> np.ndarray:
    """Share of right answers of confusions (…, R, C, C), mean over repeats."""
    return (np.trace(table, axis1=-2, axis2=-1) / np.maximum(table.sum((-2, -1)), 1e-9)).mean(axis=-1)


def balanced(table: np.ndarray) -> np.ndarray:
    """Mean share of right answers per label that is there."""
    there = table.sum(-1)
    right = np.diagonal(table, axis1=-2, axis2=-1) / np.maximum(there, 1e-9)
    return ((right * (there > 0)).sum(-1) / np.maximum((there > 0).sum(-1), 1)).mean(axis=-1)


def macro_f1(table: np.ndarray) -> np.ndarray:
    """Mean F1 over the labels that are there."""
    there = table.sum(-1)
    return ((f1_of(table) * (there > 0)).sum(-1) / np.maximum((there > 0).sum(-1), 1)).mean(axis=-1)


def f1_of(table: np.ndarray) -> np.ndarray:
    """F1 of every label of confusions (…, C, C)."""
    return 2 * np.diagonal(table, axis1=-2, axis2=-1) / np.maximum(table.sum(-1) + table.sum(-2), 1e-9)


def _majority_f1(counts: np.ndarray) -> float:
    share = counts.max() / counts.sum()
    return float(2 * share / (1 + share) / (counts > 0).sum())


def log_loss(answers: Answers) -> float:
    """Mean −ln p of the right label, labels counted alike."""
    weight = _alike(answers)
    p = np.take_along_axis(answers.p, answers.truth[None, :, None], axis=2)[..., 0]
    return float((-np.log(np.maximum(p, 1e-12)) * weight).sum() / (weight.sum() * len(answers.p)))


def _alike(answers: Answers) -> np.ndarray:
    return 1.0 / np.bincount(answers.truth, minlength=len(answers.classes))[answers.truth]


def calibration(answers: Answers) -> dict[str, Any]:
    """How sure the best answers were and how often they were right, in tenths; the expected gap, labels counted alike and pieces counted alike."""
    sure, right = answers.p.max(axis=2).ravel(), (answers.said == answers.truth).ravel()
    bin_ = np.minimum((sure * BINS).astype(int), BINS - 1)
    curves, gaps = [], []
    for weight in (np.tile(_alike(answers), len(answers.p)), np.ones(len(sure))):
        total = np.bincount(bin_, weight, minlength=BINS)
        said, was = (np.bincount(bin_, weight * v, minlength=BINS) / np.maximum(total, 1e-12) for v in (sure, right))
        curves.append((said, was))
        gaps.append(float((total * np.abs(said - was)).sum() / total.sum()))
    n = np.bincount(bin_, minlength=BINS)
    curve = [{"said": _round(s), "right": _round(w), "n": int(k)} for s, w, k in zip(*curves[0], n) if k]
    return {"calibration_error": _round(gaps[0]), "calibration_error_by_pieces": _round(gaps[1]), "calibration": curve}


def _per_label(answers: Answers, whole: np.ndarray, counts: np.ndarray) -> list[dict[str, Any]]:
    table = whole.mean(axis=0)
    hit, f1 = np.diagonal(table), f1_of(table)
    precision, recall = hit / np.maximum(table.sum(0), 1e-9), hit / np.maximum(table.sum(1), 1e-9)
    rows = zip(answers.classes, counts, precision, recall, f1)
    return [{"label": c, "n": int(n), "precision": _round(a), "recall": _round(b), "f1": _round(f)} for c, n, a, b, f in rows]


def _interval(value: Any, drawn: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"mean": _round(value), "low": _round(low), "high": _round(high)}


def _round(value: Any) -> float:
    return round(float(value), 4)


def mcnemar(ours: Sequence[bool] | np.ndarray, theirs: Sequence[bool] | np.ndarray) -> dict[str, Any]:
    """The exact McNemar test of two classifiers on the same pieces (two-sided binomial on the pieces where they differ)."""
    from math import comb

    a, b = np.asarray(ours, dtype=bool), np.asarray(theirs, dtype=bool)
    only_ours, only_theirs = int((a & ~b).sum()), int((b & ~a).sum())
    n, k = only_ours + only_theirs, min(only_ours, only_theirs)
    p = min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n) if n else 1.0
    return {"n": len(a), "only_ours_right": only_ours, "only_theirs_right": only_theirs, "p": round(p, 4)}

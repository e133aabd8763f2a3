"""The protocol of the style classifier: a package on labelled music, or a recipe by repeated folds that keep works together.

Folds are stratified by label and grouped by near-duplicate group or work, so that no piece, edition, movement or segment of a work stands on
both sides. The temperature of a fold is fitted on the other folds' held-out answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import InputError
from zhiyin.evaluation.labels import Answers, report
from zhiyin.inference.style_model import StyleModel, open_model
from zhiyin.provenance.package import Package
from zhiyin.training.recipe import Recipe, load_recipe
from zhiyin.training.style import drawn_pieces, examples_of, groups_of, heard, training_pieces
from zhiyin.training.style_fit import (
    Examples,
    StyleSizes,
    bare,
    folds_of,
    held_out,
    known_labels,
    temperature_of,
    warmed,
)
from zhiyin.training.style_labels import label_sets
from zhiyin.training.train import TrainOptions, corpus_of

Progress = Callable[[int, int, str], None]


def evaluate_style(
    data: str | Path, *, model: str | Path | Package = "", recipe: str | Recipe = "own-labels", split: str = "", repeats: int = 3,
    work: Path | None = None, progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Measures a package, or where none is named a recipe by ``repeats`` times its folds, on a corpus, a folder of labels or a table.

    split: of a built corpus ("" = all). work: a folder that keeps a built corpus and inputs for the next time. The result holds "sets":
    label set -> figures of ``labels.report``, with ``answers`` left out.
    """
    if repeats < 1:
        raise InputError("repeats out of range", expected="1 or more", received=str(repeats))
    folder = work or Path(data).resolve().parent / f".{Path(data).stem}-style"
    corpus = corpus_of(data, folder, TrainOptions(), lambda _: None)
    pieces = training_pieces(corpus, split)
    if model:
        opened = open_model(model)
        x = heard(corpus, pieces, opened.hearing, folder / f"inputs-{opened.hearing.embedding}.npz", progress)
        sets = of_model(opened, Examples(x, label_sets(corpus, pieces, rare=True), groups_of(pieces), np.ones(len(x))))
        told: dict[str, Any] = {"model": opened.name}
    else:
        chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
        sizes = StyleSizes(**chosen.sizes)
        pieces = drawn_pieces(corpus, pieces, sizes, chosen.seed)
        examples = examples_of(corpus, pieces, sizes, folder, progress)
        sets = {name: cross_validated(examples, name, sizes, repeats=repeats, seed=chosen.seed) for name in examples.labels}
        told = {"recipe": chosen.flat(), "repeats": repeats}
    if not sets:
        raise InputError("Nothing to measure", expected="pieces with labels that the package knows", received=f"{len(pieces)} pieces")
    return {**told, "data": str(data), "split": split or "all", "pieces": len(pieces), "sets": {k: report(v) for k, v in sets.items()}}


def of_model(model: StyleModel, examples: Examples) -> dict[str, Answers]:
    """What a model says of pieces whose labels it knows."""
    like = model.likeness(model.standard(examples.x))
    found: dict[str, Answers] = {}
    for head in model.heads:
        labels = examples.labels.get(head.name)
        known = np.flatnonzero(np.isin(labels, head.classes)) if labels is not None else np.empty(0, dtype=int)
        if labels is not None and len(known):
            truth = np.array([head.classes.index(c) for c in labels[known]])
            found[head.name] = Answers(head.classes, truth, head.probabilities(like[known])[None], examples.groups[known])
    return found


def cross_validated(examples: Examples, name: str, sizes: StyleSizes, *, repeats: int = 1, seed: int = 0) -> Answers:
    """What folds of ``examples`` say of the pieces that they had not seen, each repeat with other folds."""
    index, truth, classes = known_labels(examples, name, sizes.least)
    part = examples.part(index)
    of = np.searchsorted(np.array(classes), truth)
    model = bare(part, sizes)
    like = model.likeness(model.points)
    p = np.stack([_one_repeat(model, like, part, truth, classes, sizes, seed + r) for r in range(repeats)])
    return Answers(classes, of, p, part.groups)


def _one_repeat(
    model: StyleModel, like: np.ndarray, part: Examples, truth: np.ndarray, classes: Sequence[str], sizes: StyleSizes, seed: int
) -> np.ndarray:
    """Calibrated probabilities (n, C): the temperature of a fold is that of the others' held-out answers."""
    raw = held_out(model, like, np.arange(len(truth)), truth, classes, part, sizes, seed=seed).p
    p = raw.copy()
    for _, own in folds_of(truth, part.groups, sizes.folds, seed):
        others = np.delete(np.arange(len(truth)), own)
        p[own] = warmed(raw[own], temperature_of(raw[others], truth[others], classes))
    return p


def lines(result: Mapping[str, Any]) -> list[str]:
    """The figures as lines for people."""
    out = []
    for name, s in result["sets"].items():
        out.append(f"{name}: {s['labels']} labels, n = {s['n']:,} in {s['groups']:,} groups, {s['repeats']} repeats")
        for figure in ("accuracy", "balanced_accuracy", "macro_f1"):
            f = s[figure]
            out.append(f"  {figure.replace('_', ' '):>18} {f['mean']:.3f} [{f['low']:.3f}, {f['high']:.3f}]   always the commonest: {s['majority'][figure]:.3f}")
        out.append(f"  {'calibration error':>18} {s['calibration_error']:.3f}   log loss {s['log_loss']:.3f}")
        for row in sorted(s["per_label"], key=lambda r: -r["f1"]):
            out.append(f"  {row['label']:>18} F1 {row['f1']:.2f}  precision {row['precision']:.2f}  recall {row['recall']:.2f}  n {row['n']}")
    return out

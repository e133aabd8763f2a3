"""The two-sample test: can a held-out classifier tell one set of music from another? Folds by piece, intervals by piece.

Windows of the same bars of the human and of the composed piece of a pair; both of a pair lie in one fold. The strongest
tester counts. A test is valid only if human against human comes out at 50 ± 3 % and human against its own bars shuffled at 85 %
or more. ``L60``: the longest excerpt, in bars, at which the strongest tester stays at or below 60 %.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zhiyin.evaluation.excerpts import Excerpt, shuffle_bars, window_places

LENGTHS = (2, 4, 8, 16, 32, 64)
FOLDS = {"trees": 5, "ngram": 5, "transformer": 3}
CHANCE = (0.47, 0.53)  # human against human must lie here
CEILING = 0.85  # shuffled bars must be told at least so often
AT_MOST = 0.60  # of L60
_RESAMPLES = 1000



@dataclass(frozen=True)
class Windows:
    """Windows of two sides. parts: excerpts; label: int (n,), 1 = the side under test; group: int (n,), piece (a pair shares one)."""

    parts: tuple[Excerpt, ...]
    label: np.ndarray
    group: np.ndarray

    def __len__(self) -> int:
        return len(self.parts)


def cut(sides: Sequence[tuple[Excerpt, Excerpt]], bars: int) -> Windows:
    """Windows of ``bars`` bars at the same places of both excerpts of each pair (label 0, label 1); places are the first's."""
    parts: list[Excerpt] = []
    label: list[int] = []
    group: list[int] = []
    for i, pair in enumerate(sides):
        for first in window_places(pair[0], bars):
            if not pair[1].regular[first : first + bars].all() or first + bars > pair[1].bars:
                continue
            for side, whole in enumerate(pair):
                parts.append(whole.window(first, bars))
                label.append(side)
                group.append(i)
    return Windows(tuple(parts), np.array(label, dtype=np.int64), np.array(group, dtype=np.int64))


def shuffled(windows: Windows, seed: int = 0) -> Windows:
    """The windows of label 0, and as label 1 the same with their bars shuffled: what any good tester must tell apart."""
    rng = np.random.default_rng(seed)
    human = [(p, g) for p, y, g in zip(windows.parts, windows.label, windows.group) if y == 0]
    parts = tuple(part for p, _ in human for part in (p, shuffle_bars(p, rng)))
    return Windows(parts, np.tile([0, 1], len(human)), np.repeat([g for _, g in human], 2))


def exchanged(windows: Windows, seed: int = 0) -> Windows:
    """Labels swapped within each piece by a coin: for two human sides, a comparison with nothing to find."""
    coin = np.random.default_rng(seed).integers(0, 2, int(windows.group.max()) + 1)
    return Windows(windows.parts, windows.label ^ coin[windows.group], windows.group)


def fold_of(group: np.ndarray, folds: int, seed: int = 0) -> np.ndarray:
    """Fold 0.. of each window, by its piece."""
    pieces = np.unique(group)
    place = np.random.default_rng(seed).permutation(len(pieces)) % folds
    return place[np.searchsorted(pieces, group)]


def cross_scores(windows: Windows, tester: Callable[..., np.ndarray], folds: int, table: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Score of each window by a tester that never saw its piece. ``table``: what the tester reads, one entry a window."""
    fold = fold_of(windows.group, folds)
    out = np.zeros(len(windows))
    for f in range(folds):
        test = np.flatnonzero(fold == f)
        train = np.flatnonzero(fold != f)
        out[test] = tester(_rows(table, train), windows.label[train], _rows(table, test))
    return out


def _rows(table: Any, index: np.ndarray) -> Any:
    return [table[i] for i in index] if isinstance(table, (list, tuple)) else table[index]


def auc(scores: np.ndarray, label: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Area under the ROC curve: how often a window of class 1 scores above one of class 0 (ties half)."""
    weight = np.ones(len(scores)) if weight is None else weight
    values, place = np.unique(scores, return_inverse=True)
    one = np.bincount(place, weights=weight * label, minlength=len(values))
    zero = np.bincount(place, weights=weight * (1 - label), minlength=len(values))
    below = np.cumsum(zero) - zero
    total = one.sum() * zero.sum()
    return float((one * (below + zero / 2)).sum() / total) if total else 0.5


def summarise(windows: Windows, scores: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Accuracy and AUC with 95 % intervals by bootstrap over pieces. Scores above 0 say class 1."""
    right = ((scores > 0) == (windows.label == 1)).astype(float)
    pieces = int(windows.group.max()) + 1
    hits, count = (np.bincount(windows.group, weights=w, minlength=pieces) for w in (right, np.ones(len(right))))
    drawn = np.random.default_rng(seed).multinomial((count > 0).sum(), (count > 0) / (count > 0).sum(), size=_RESAMPLES)
    accuracy = drawn @ hits / (drawn @ count)
    area = [auc(scores, windows.label, w[windows.group].astype(float)) for w in drawn[:200]]
    return {
        "accuracy": round(float(right.mean()), 4), "accuracy_95": _interval(accuracy),
        "auc": round(auc(scores, windows.label), 4), "auc_95": _interval(np.array(area)),
    }  # fmt: skip


def by_kind(windows: Windows, scores: np.ndarray, kinds: Sequence[str]) -> dict[str, Any]:
    """Accuracy over the windows of each kind, with the number of windows (both sides)."""
    right, names = (scores > 0) == (windows.label == 1), np.array(kinds)
    return {str(k): {"accuracy": round(float(right[names == k].mean()), 4), "windows": int((names == k).sum())} for k in np.unique(names)}


def _interval(values: np.ndarray) -> list[float]:
    return [round(float(v), 4) for v in np.quantile(values, (0.025, 0.975))]


def run_tester(windows: Windows, name: str, table: np.ndarray | None = None, kinds: Sequence[str] = ()) -> dict[str, Any]:
    """One tester's accuracy and AUC by name. ``table``: features of the windows, where they are known already.

    ``kinds``: a name for each window; accuracy is told for each name too.
    """
    from zhiyin.evaluation.testers import TESTERS, features_of, grams_of, ngram_on, trees_on

    if name == "trees":
        scores = cross_scores(windows, trees_on, FOLDS[name], features_of(windows.parts) if table is None else table)
    elif name == "ngram":
        scores = cross_scores(windows, ngram_on, FOLDS[name], grams_of(windows.parts))
    else:
        scores = cross_scores(windows, TESTERS[name], FOLDS[name], windows.parts)
    count = {"windows_a_side": int((windows.label == 1).sum()), "pieces": len(np.unique(windows.group))}
    return {**count, **summarise(windows, scores), **({"by_kind": by_kind(windows, scores, kinds)} if kinds else {})}


def strongest(testers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The result of the strongest tester by accuracy, with all of them."""
    best = max(testers, key=lambda n: testers[n]["accuracy"])
    told = {k: v for k, v in testers[best].items() if k != "by_kind"}
    return {"strongest": best, **told, "testers": dict(testers)}


Test = Callable[[Windows, int, str], dict[str, Any]]


def measure_lengths(
    sides: Sequence[tuple[Excerpt, Excerpt]], names: Sequence[str], lengths: Sequence[int] = LENGTHS, test: Test = lambda windows, bars, name: run_tester(windows, name)
) -> dict[str, Any]:
    """The test at each excerpt length, and L60. Testers after the first are asked only while those before stay at or below 60 %.

    ``test``: of (windows, bars, name of a tester), for those who keep what is finished.
    """
    found: dict[str, Any] = {}
    for bars in lengths:
        windows = cut(sides, bars)
        if len(np.unique(windows.group)) < max(FOLDS.values()):
            continue
        testers: dict[str, Any] = {}
        for name in names:
            testers[name] = test(windows, bars, name)
            if testers[name]["accuracy"] > AT_MOST:
                break
        found[str(bars)] = strongest(testers)
    return {"lengths": found, "l60": l60(found)}


def l60(found: Mapping[str, Mapping[str, Any]]) -> int:
    """The longest length up to which the strongest tester stays at or below 60 % at every length; 0 where it never does."""
    longest = 0
    for bars in sorted(map(int, found)):
        if found[str(bars)]["accuracy"] > AT_MOST:
            break
        longest = bars
    return longest

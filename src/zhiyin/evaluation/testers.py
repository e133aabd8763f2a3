"""Three classifiers that try to tell one set of windows from another. None shares a weight with a generator, ranker or style model.

``trees``: gradient boosting over descriptors, statistics and bar order. ``ngram``: logistic regression over hashed n-grams of
intervals, durations, chords and rhythms. ``transformer``: a small one over the notes, trained from scratch (``tester_transformer``).
Each is a function (train, labels, test) -> scores of the test windows, higher = more likely of class 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from zhiyin.encoding.fields import DURATIONS
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION
from zhiyin.evaluation.excerpts import Excerpt
from zhiyin.evaluation.features import features
from zhiyin.evaluation.tester_transformer import transformer

Tester = Callable[[Sequence[Excerpt], np.ndarray, Sequence[Excerpt]], np.ndarray]

ORDERS = (1, 2, 3, 4)
_CELLS = 2**18


def features_of(windows: Sequence[Excerpt]) -> np.ndarray:
    """Features of many windows, float32 (windows, D)."""
    return np.stack([features(w) for w in windows])


def trees_on(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The tree tester on tables of features (rows = windows)."""
    model = HistGradientBoostingClassifier(
        max_iter=200, learning_rate=0.08, max_leaf_nodes=15, min_samples_leaf=15, l2_regularization=1.0, random_state=0
    )
    return model.fit(train, labels).decision_function(test)


def trees(train: Sequence[Excerpt], labels: np.ndarray, test: Sequence[Excerpt]) -> np.ndarray:
    """Gradient boosting over features."""
    return trees_on(features_of(train), labels, features_of(test))


def grams_of(windows: Sequence[Excerpt]) -> Any:
    """Hashed counts of the n-grams of many windows, sparse (windows, 2^18)."""
    hasher = FeatureHasher(_CELLS, input_type="dict", alternate_sign=False)
    return hasher.transform([grams(w) for w in windows])


def ngram_on(train: Any, labels: np.ndarray, test: Any) -> np.ndarray:
    """The n-gram tester on tables of hashed counts."""
    model = make_pipeline(TfidfTransformer(sublinear_tf=True), LogisticRegression(C=20.0, solver="liblinear", random_state=0))
    return model.fit(train, labels).decision_function(test)


def ngram(train: Sequence[Excerpt], labels: np.ndarray, test: Sequence[Excerpt]) -> np.ndarray:
    """Logistic regression over hashed n-grams."""
    return ngram_on(grams_of(train), labels, grams_of(test))


def grams(window: Excerpt) -> Counter[str]:
    """Counts of the n-grams of a window: of each part's intervals and durations, of the chords, and of the bars' rhythms."""
    found: Counter[str] = Counter()
    rows = window.rows.astype(np.int64)
    time = rows[:, BAR] * 384 + rows[:, POSITION]
    for part in np.unique(rows[:, PART]):
        own = rows[:, PART] == part
        top = np.flatnonzero(own)[np.r_[np.diff(time[own]) > 0, True][: own.sum()]]
        interval = np.clip(np.diff(rows[top, PITCH]), -24, 24)
        length = DURATIONS[rows[top, DURATION]][1:]
        place = rows[top, POSITION][1:]
        _count(found, "i", [f"{i}" for i in interval])
        _count(found, "n", [f"{i}.{d}" for i, d in zip(interval, length)])
        _count(found, "p", [f"{p}.{d}" for p, d in zip(place, length)])
    edges = np.flatnonzero(np.diff(time)) + 1
    chords = [".".join(map(str, sorted(set((g - g.min()) % 12)))) for g in np.split(rows[:, PITCH], edges) if len(g)]
    _count(found, "c", chords)
    bars = np.split(rows[:, POSITION], np.searchsorted(rows[:, BAR], np.arange(1, window.bars)))
    _count(found, "r", [".".join(map(str, sorted(set(b.tolist())))) for b in bars])
    return found


def _count(found: Counter[str], kind: str, tokens: Sequence[str]) -> None:
    for n in ORDERS:
        found.update(f"{kind}{n}:" + " ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


TESTERS: dict[str, Tester] = {"trees": trees, "ngram": ngram, "transformer": transformer}

"""Small statistics that never divide by zero: shares, entropy, mean and spread, quantiles. All of nothing is 0."""

from __future__ import annotations

from typing import Any

import numpy as np


def ratio(part: Any, whole: Any) -> float:
    """part / whole; 0 where the whole is nothing."""
    return float(part) / float(whole) if whole else 0.0


def shares(counts: np.ndarray) -> np.ndarray:
    """Counts as shares of their sum, float (bins,); all 0 where the sum is 0."""
    total = counts.sum()
    return counts / total if total else np.zeros(len(counts))


def histogram(classes: np.ndarray, size: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Shares of the classes 0..size-1, float (size,); weighted where weights are given."""
    return shares(np.bincount(classes, weights=weights, minlength=size)[:size])


def entropy(p: np.ndarray) -> float:
    """Shannon entropy of shares in bits."""
    some = p[p > 0]
    return max(float(-(some * np.log2(some)).sum()), 0.0) if len(some) else 0.0


def entropy_of(values: np.ndarray) -> float:
    """Shannon entropy in bits of how often each integer occurs; any range."""
    if not len(values):
        return 0.0
    return entropy(run_lengths(run_starts(np.sort(values)), len(values)) / len(values))


def distinct(values: np.ndarray) -> int:
    """How many different values there are."""
    return len(run_starts(np.sort(values)))


def mean(values: np.ndarray) -> float:
    """Mean (of truth values the share that is true); 0 of nothing."""
    if not len(values):
        return 0.0
    return (np.count_nonzero(values) if values.dtype == bool else float(values.sum())) / len(values)


def run_starts(*columns: np.ndarray) -> np.ndarray:
    """Indices at which any of the columns (n,) differs from the entry before; 0 is one of them. Empty for nothing."""
    changed = np.zeros(len(columns[0]), dtype=bool)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return changed.nonzero()[0]


def run_lengths(starts: np.ndarray, total: int) -> np.ndarray:
    """Lengths of the runs that begin at ``starts`` in an array of ``total`` entries."""
    return np.append(starts[1:], total) - starts


def steps(values: np.ndarray) -> np.ndarray:
    """Differences of neighbours, (n - 1,)."""
    return values[1:] - values[:-1]


def spread(values: np.ndarray) -> float:
    """Standard deviation; 0 of nothing."""
    if len(values) < 2:
        return 0.0
    centred = values - values.sum() / len(values)
    return float(np.sqrt(centred.dot(centred) / len(values)))


def quantile(ordered: np.ndarray, at: float) -> float:
    """Value of an ascending array at a fraction 0..1 of its way (lower neighbour); 0 of nothing."""
    return float(ordered[int(at * (len(ordered) - 1))]) if len(ordered) else 0.0


def repeats(values: np.ndarray) -> np.ndarray:
    """Which entries occurred before (bool, same shape as the one-dimensional ``values``)."""
    again = np.zeros(len(values), dtype=bool)
    if len(values):
        order = np.argsort(values, kind="stable")
        again[order[1:]] = values[order[1:]] == values[order[:-1]]
    return again


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson correlation; 0 where either does not vary."""
    if len(x) < 2:
        return 0.0
    a, b = x - mean(x), y - mean(y)
    size = float(np.sqrt(a.dot(a) * b.dot(b)))
    return float(a.dot(b)) / size if size > 1e-12 else 0.0


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (E. B. Wilson 1927)."""
    if not n:
        return 0.0, 1.0
    z, p = 1.959964, hits / n
    middle, spread = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return float((middle - spread) / (1 + z * z / n)), float((middle + spread) / (1 + z * z / n))

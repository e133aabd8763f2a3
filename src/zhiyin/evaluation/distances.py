"""How far one set of music lies from another: per figure, and as clouds of vectors, each with its interval.

Overlap area and Kullback-Leibler divergence of a figure's distributions, by Gaussian kernel estimates (Yang & Lerch 2020, "On the
evaluation of generative models in music"); Wasserstein-1 in standard deviations of the reference; Fréchet distance of Gaussian
fits (Heusel et al. 2017) and kernel MMD (Gretton et al. 2012) of standardised vectors. A distance means little by itself: read
it between the floor (human against human) and the ceiling (bars shuffled) at the same n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

_GRID = 256
_CLIP = 4.0  # standard deviations beyond which a figure counts no further
RESAMPLES = 200
AXES = 16


def overlap_area(a: np.ndarray, b: np.ndarray) -> float:
    """Area under the lower of two densities: 1 = alike, 0 = apart."""
    grid, p, q = _densities(a, b)
    return float(np.minimum(p, q).sum() * (grid[1] - grid[0]))


def kl_divergence(a: np.ndarray, b: np.ndarray) -> float:
    """Kullback-Leibler divergence of the density of ``a`` from that of ``b`` (the reference), in nats."""
    _grid, p, q = _densities(a, b)
    p, q = p + 1e-9, q + 1e-9
    p, q = p / p.sum(), q / q.sum()
    return float((p * np.log(p / q)).sum())


def wasserstein(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance that the values of ``a`` must move to be those of ``b`` (the reference), in standard deviations of ``b``."""
    levels = (np.arange(512) + 0.5) / 512
    gap = np.abs(np.quantile(a, levels) - np.quantile(b, levels)).mean()
    return float(gap / max(float(b.std()), 1e-9))


def _densities(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A grid and two Gaussian kernel densities on it (Scott's rule; a constant figure is a narrow peak)."""
    both = np.concatenate([a, b])
    spread = max(float(both.std()), 1e-9)
    widths = [max(float(x.std()), 0.01 * spread) * len(x) ** -0.2 for x in (a, b)]
    low, high = both.min() - 4 * max(widths), both.max() + 4 * max(widths)
    grid = np.linspace(low, high, _GRID)
    widths = [max(w, grid[1] - grid[0]) for w in widths]
    p, q = (np.exp(-0.5 * ((grid[:, None] - x) / w) ** 2).sum(1) / (len(x) * w * np.sqrt(2 * np.pi)) for x, w in zip((a, b), widths))
    return grid, p, q


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of the Gaussian fits of two sets of vectors (n, D)."""
    gap = a.mean(0) - b.mean(0)
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ two @ root), 0)).sum()
    return float(gap @ gap + np.trace(one) + np.trace(two) - 2 * cross)


def mmd(a: np.ndarray, b: np.ndarray, width: float | None = None) -> float:
    """Unbiased squared maximum mean discrepancy under a Gaussian kernel of ``width`` (median distance within ``b`` if None)."""
    aa, bb, ab = _squares(a, a), _squares(b, b), _squares(a, b)
    if width is None:
        width = float(np.sqrt(np.median(bb[np.triu_indices(len(b), 1)])))
    k = [np.exp(-d / (2 * width**2)) for d in (aa, bb, ab)]
    n, m = len(a), len(b)
    within = (k[0].sum() - n) / (n * (n - 1)) + (k[1].sum() - m) / (m * (m - 1))
    return float(within - 2 * k[2].mean())


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0)


def standardised(table: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Columns in standard deviations of the reference, cut at ± 4; columns that are constant in the reference are left out."""
    mean, spread = reference.mean(0), reference.std(0)
    some = spread > 1e-6
    return np.clip((table[:, some] - mean[some]) / spread[some], -_CLIP, _CLIP).astype(np.float64)


def principal(reference: np.ndarray, most: int = AXES) -> tuple[np.ndarray, float]:
    """The main axes (D, ≤ most) of standardised reference vectors, and the share of the variance that they hold.

    Few, because the Fréchet distance of two samples grows with axes² / n even where nothing differs.
    """
    values, vectors = np.linalg.eigh(np.cov(reference, rowvar=False))
    return vectors[:, ::-1][:, :most], float(values[::-1][:most].sum() / values.sum())


def with_interval(measure: Callable[[np.ndarray, np.ndarray], float], a: np.ndarray, b: np.ndarray, resamples: int = RESAMPLES) -> dict[str, Any]:
    """A distance with its 95 % interval by bootstrap over both sets (basic interval), and ``corrected`` for what sampling alone adds.

    Samples of one distribution lie some way apart, and resampling adds as much again: what it adds is taken off.
    """
    rng = np.random.default_rng(0)
    value = measure(a, b)
    drawn = [measure(a[rng.integers(len(a), size=len(a))], b[rng.integers(len(b), size=len(b))]) for _ in range(resamples)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    ends = {"low": round(2 * value - float(high), 4), "high": round(2 * value - float(low), 4)}
    return {"value": round(value, 4), "corrected": round(2 * value - float(np.mean(drawn)), 4), **ends}


def figure_distances(composed: np.ndarray, human: np.ndarray, names: Sequence[str], resamples: int = RESAMPLES) -> dict[str, Any]:
    """Per figure (column): means, overlap area with its interval, divergence, Wasserstein distance."""
    found: dict[str, Any] = {}
    for i, name in enumerate(names):
        a, b = composed[:, i].astype(np.float64), human[:, i].astype(np.float64)
        a, b = a[np.isfinite(a)], b[np.isfinite(b)]
        if len(a) < 2 or len(b) < 2 or (np.ptp(a) == np.ptp(b) == 0 and a[0] == b[0]):
            continue  # nothing to compare (drums, where there are none)
        found[name] = {
            "composed": round(float(a.mean()), 4), "human": round(float(b.mean()), 4), "overlap": with_interval(overlap_area, a, b, resamples),
            "kl": round(kl_divergence(a, b), 4), "wasserstein": round(wasserstein(a, b), 4), "n": [len(a), len(b)],
        }  # fmt: skip
    return found


def cloud_distances(sets: dict[str, np.ndarray], reference: np.ndarray) -> dict[str, Any]:
    """Fréchet distance and MMD of each set (name -> (n, D)) to the reference, standardised by it, on its main axes."""
    base = standardised(reference, reference)
    axes, held = principal(base)
    base = base @ axes
    width = float(np.sqrt(np.median(_squares(base[:500], base[:500])[np.triu_indices(min(len(base), 500), 1)])))
    out: dict[str, Any] = {"axes": axes.shape[1], "variance": round(held, 4), "n": len(reference)}
    for name, table in sets.items():
        cloud = standardised(table, reference) @ axes
        out[name] = {
            "n": len(cloud), "frechet": with_interval(frechet, cloud, base, 20), "mmd": with_interval(lambda a, b: mmd(a, b, width), cloud, base, 20),
        }  # fmt: skip
    return out

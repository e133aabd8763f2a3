"""Metrics of bars of several parts as rolls (``encoding.bar_roll``), for a generator beside real bars.

* empty_bars: share of (bar, part) without a sounding cell; used_pitch_classes: pitch classes that sound in a bar of a part that
  is not empty (Dong et al. 2018, MuseGAN: EB, UPC)
* qualified_notes: share of notes of three sixteenths and more (MuseGAN's QN: below that music is fragmented)
* tonal_distance: Euclidean distance between the tonal centroids of two parts in a half bar, mean over pairs (Harte et al. 2006; MuseGAN's TD)
* precision, recall, density, coverage: neighbourhoods of k nearest in feature space (Kynkäänniemi et al. 2019; Naeem et al. 2020)
* nearest: distance to the nearest of a reference set, as the share of sounding cells that differ
Shapes: rolls uint8 (W, K, N, 16, P, 2).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from zhiyin.encoding.bar_roll import LOWEST

QUALIFIED = 3  # sixteenths
METRICS = ("empty_bars", "used_pitch_classes", "qualified_notes", "tonal_distance")
_ANGLES = np.array([7 * np.pi / 6, 3 * np.pi / 2, 2 * np.pi / 3])  # circles of fifths, minor and major thirds
_RADII = np.array([1.0, 1.0, 0.5])


def roll_statistics(rolls: np.ndarray) -> dict[str, float]:
    """The four standard metrics, and the entropy of pitch classes over all windows (bits)."""
    chroma = _chroma(rolls, 16)[..., 0, :]  # (W, K, N, 12)
    empty = ~chroma.any(-1)
    used = (chroma > 0).sum(-1)
    share = chroma.sum((0, 1, 2)) / max(chroma.sum(), 1)
    return {
        "empty_bars": float(empty.mean()),
        "used_pitch_classes": float(used[~empty].mean()) if (~empty).any() else 0.0,
        "qualified_notes": qualified_notes(rolls),
        "tonal_distance": tonal_distance(rolls),
        "pitch_class_entropy": float(-(share[share > 0] * np.log2(share[share > 0])).sum()),
    }


def away(made: np.ndarray, real: np.ndarray) -> float:
    """How far written rolls lie from real ones: the mean of the relative errors of the four metrics, each counted as 1 at most."""
    a, b = roll_statistics(made), roll_statistics(real)
    return float(np.mean([min(abs(a[m] - b[m]) / max(b[m], 1e-9), 1.0) for m in METRICS]))


def qualified_notes(rolls: np.ndarray) -> float:
    """Share of notes that last three sixteenths or more; a window's bars are read as one line of time."""
    cells = rolls.reshape(*rolls.shape[:2], -1, *rolls.shape[4:])
    sounds = cells[..., 0] > 0
    before = np.concatenate([np.zeros_like(sounds[:, :, :1]), sounds[:, :, :-1]], 2)
    begins = sounds & ((cells[..., 1] > 0) | ~before)
    long = begins.copy()
    for step in range(1, QUALIFIED):
        goes_on = np.zeros_like(begins)
        goes_on[:, :, :-step] = sounds[:, :, step:] & ~begins[:, :, step:]
        long &= goes_on
    return float(long.sum() / max(begins.sum(), 1))


def tonal_distance(rolls: np.ndarray) -> float:
    """Mean distance between the tonal centroids of two parts that both sound in a half bar."""
    chroma = _chroma(rolls, 8).reshape(rolls.shape[0], rolls.shape[1], -1, 12)
    size = chroma.sum(-1, keepdims=True)
    angle = np.arange(12)[:, None] * _ANGLES
    basis = np.concatenate([_RADII * np.sin(angle), _RADII * np.cos(angle)], 1)  # (12, 6)
    centroid = chroma / np.maximum(size, 1) @ basis
    there, found = size[..., 0] > 0, []
    for a, b in combinations(range(rolls.shape[1]), 2):
        both = there[:, a] & there[:, b]
        found.append(np.linalg.norm(centroid[:, a] - centroid[:, b], axis=-1)[both])
    every = np.concatenate(found) if found else np.zeros(0)
    return float(every.mean()) if len(every) else 0.0


def _chroma(rolls: np.ndarray, slots: int) -> np.ndarray:
    """Sounding cells of each pitch class in every stretch of ``slots``: (W, K, N, 16 / slots, 12)."""
    w, k, n, s, p = rolls.shape[:5]
    sums = rolls[..., 0].reshape(w, k, n, s // slots, slots, p).sum(4, dtype=np.int64)
    turned = np.roll(sums, LOWEST % 12, axis=-1) if p % 12 == 0 else sums
    return turned.reshape(w, k, n, s // slots, p // 12, 12).sum(4)


def features(rolls: np.ndarray) -> np.ndarray:
    """What windows are compared by: chroma, register and onsets of every part and half bar, float64 (W, D), square roots of counts."""
    chroma = np.sqrt(_chroma(rolls, 8).reshape(len(rolls), -1))
    w, k, n, s, p = rolls.shape[:5]
    octaves = np.sqrt(rolls[..., 0].reshape(w, k, n, s, p // 12, 12).sum((3, 5), dtype=np.int64).reshape(w, -1))
    onsets = np.sqrt((rolls[..., 0] & rolls[..., 1]).reshape(w, k, n, s // 4, 4, p).sum((4, 5), dtype=np.int64).reshape(w, -1))
    return np.concatenate([chroma, octaves, onsets], 1)


def neighbourhoods(real: np.ndarray, made: np.ndarray, k: int = 5) -> dict[str, float]:
    """precision, recall, density and coverage of features (W, D) of made windows among real ones."""
    across, among_real, among_made = _distances(real, made), _distances(real, real), _distances(made, made)
    reach_real = np.partition(among_real, k, axis=1)[:, k]  # the 0th is itself
    reach_made = np.partition(among_made, k, axis=1)[:, k]
    inside = across <= reach_real[:, None]
    return {
        "precision": float(inside.any(0).mean()), "recall": float((across <= reach_made[None]).any(1).mean()),
        "density": float(inside.sum(0).mean() / k), "coverage": float((across.min(1) <= reach_real).mean()),
    }  # fmt: skip


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    square = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    return np.sqrt(np.maximum(square, 0))


def nearest(rolls: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """For each window its least distance to a reference window: cells that differ over cells that sound in either, (W,)."""
    flat, known = (r[..., 0].reshape(len(r), -1).astype(np.float32) for r in (rolls, reference))
    shared = flat @ known.T
    either = flat.sum(1)[:, None] + known.sum(1)[None] - shared
    closest: np.ndarray = (1 - shared / np.maximum(either, 1)).min(1)
    return closest


def shuffled(rolls: np.ndarray, seed: int) -> np.ndarray:
    """The control: every part's bar comes from another window, so bars stay real and their company does not."""
    rng, out = np.random.default_rng(seed), rolls.copy()
    for k in range(rolls.shape[1]):
        for n in range(rolls.shape[2]):
            out[:, k, n] = rolls[rng.permutation(len(rolls)), k, n]
    return out

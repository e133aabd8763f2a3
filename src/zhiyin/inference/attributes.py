"""What a window of lines is like, in four numbers that a latent space can be moved along: density, range, syncopation, mode.

Measured on grids of sixteenths (``encoding.sixteenths``), window by window: float64 (W,). All lines of a window count together.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zhiyin.encoding.sixteenths import FIRST_PITCH, HOLD, NONE

# Temperley 2007, "Music and Probability": weights of the degrees above the tonic (Kostka and Payne's excerpts).
_MAJOR = np.array([0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400])
_MINOR = np.array([0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330])
# Metrical weight of each sixteenth of a bar of 16, 12 and 8 (whole bar, half, quarter, eighth, sixteenth).
_STRENGTH = np.array([4, 0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0])


def _struck(grid: np.ndarray) -> np.ndarray:
    return (grid >= FIRST_PITCH) & (grid != NONE)


def density(grid: np.ndarray) -> np.ndarray:
    """Onsets a quarter and line."""
    quarters = (grid != NONE).reshape(len(grid), -1).sum(1) / 4
    return _struck(grid).reshape(len(grid), -1).sum(1) / np.maximum(quarters, 1)


def pitch_range(grid: np.ndarray) -> np.ndarray:
    """Semitones between the lowest and the highest note; 0 where none is struck."""
    flat, struck = grid.reshape(len(grid), -1).astype(np.int64), _struck(grid).reshape(len(grid), -1)
    return np.where(struck.any(1), np.where(struck, flat, -1).max(1) - np.where(struck, flat, 999).min(1), 0)


def syncopation(grid: np.ndarray) -> np.ndarray:
    """How often a note on a weak sixteenth is held over a stronger one, as a share of the notes (after Longuet-Higgins and Lee 1984)."""
    lines = grid.swapaxes(1, 3).swapaxes(2, 3)  # (W, K, N, 16)
    line = lines.reshape(*lines.shape[:2], -1)
    strength = np.tile(_STRENGTH, grid.shape[1])
    held = np.concatenate([line[..., 1:] == HOLD, np.zeros_like(line[..., :1], dtype=bool)], -1)
    struck = (line >= FIRST_PITCH) & (line != NONE)
    following = np.r_[strength[1:], 4]
    over = struck & held & (following > strength)
    far = np.zeros_like(over)
    far[..., :-2] = struck[..., :-2] & held[..., :-2] & (line[..., 2:] == HOLD) & (strength[2:] > np.maximum(strength[:-2], strength[1:-1]))
    return (over | far).sum((1, 2)) / np.maximum(struck.sum((1, 2)), 1)


def mode(grid: np.ndarray) -> np.ndarray:
    """How much better the pitch classes fit the best major key than the best minor key: correlation difference, −2..2."""
    struck = _struck(grid)
    classes = np.zeros((len(grid), 12))
    window = np.nonzero(struck)[0]
    np.add.at(classes, (window, (grid[struck].astype(np.int64) - FIRST_PITCH) % 12), 1)
    best = []
    for profile in (_MAJOR, _MINOR):
        turned = np.stack([np.roll(profile, k) for k in range(12)])
        best.append(_correlation(classes, turned).max(1))
    return best[0] - best[1]


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    size = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)[None]
    return a @ b.T / np.maximum(size, 1e-9)


ATTRIBUTES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "density": density, "range": pitch_range, "syncopation": syncopation, "mode": mode,
}  # fmt: skip


def directions(latents: np.ndarray, grid: np.ndarray) -> dict[str, list[float]]:
    """For each attribute the latent that leads from its lowest quarter of windows to its highest (Roberts et al. 2018), float (Z,).

    latents: means (W, Z) of the windows ``grid`` (W, N, 16, K). Attributes that all windows share alike are left out.
    """
    out = {}
    for name, measure in ATTRIBUTES.items():
        value = measure(grid)
        low, high = np.quantile(value, 0.25), np.quantile(value, 0.75)
        above = value >= high if low < high else value > high  # most windows have no syncopation at all
        if above.any():
            vector = latents[above].mean(0) - latents[value <= low].mean(0)
            out[name] = [round(float(x), 5) for x in vector]
    return out

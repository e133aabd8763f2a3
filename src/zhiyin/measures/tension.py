"""Tonal tension on the spiral array: how wide a chord's cloud is, how far it moves, how far it lies from the key.

Chew 2000, 2014 (the spiral array: r = 1, h = sqrt(2/15)); Herremans & Chew 2016 (cloud diameter, cloud momentum, tensile strain).
Pitch classes are spelled on the line of fifths from five below to six above the tonic, so nothing depends on the key's name.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from zhiyin.measures.sonority import members

_RISE = np.sqrt(2 / 15)
_WEIGHTS = (0.536, 0.274, 0.190)  # root, fifth, third of a chord; tonic, dominant, subdominant of a key (Chew 2000)
_BORROWED = 0.75  # share of the major dominant and of the minor subdominant in a minor key


def place(fifths: np.ndarray) -> np.ndarray:
    """Places of positions on the line of fifths, float (..., 3)."""
    fifths = np.asarray(fifths, dtype=np.float64)
    turn = fifths * np.pi / 2
    return np.stack([np.sin(turn), np.cos(turn), fifths * _RISE], axis=-1)


@cache
def places() -> np.ndarray:
    """Places of the twelve degrees above the tonic, float (12, 3)."""
    return place((7 * np.arange(12) + 5) % 12 - 5)


@cache
def key_centre(mode: int) -> np.ndarray:
    """Place of the key whose tonic stands at 0, float (3,). mode: 0 major, 1 minor."""

    def chord(root: int, minor: bool) -> np.ndarray:
        return np.array(_WEIGHTS) @ place(np.array([root, root + 1, root - 3 if minor else root + 4]))

    if mode == 0:
        chords = [chord(0, False), chord(1, False), chord(-1, False)]
    else:
        dominant = _BORROWED * chord(1, False) + (1 - _BORROWED) * chord(1, True)
        subdominant = _BORROWED * chord(-1, True) + (1 - _BORROWED) * chord(-1, False)
        chords = [chord(0, True), dominant, subdominant]
    return np.array(_WEIGHTS) @ np.stack(chords)


@cache
def diameters() -> np.ndarray:
    """Largest distance between two members of each set of degrees, float (4096,)."""
    apart = np.linalg.norm(places()[:, None] - places()[None], axis=2)
    held = members()
    both = held[:, :, None] * held[:, None, :]
    return (both * apart).max(axis=(1, 2))


def tensions(weights: np.ndarray, mode: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cloud diameter (beats,), cloud momentum (beats - 1,) and tensile strain (beats,) of sounding beats (beats, 12)."""
    mask = (weights > 0) @ (1 << np.arange(12))
    centre = weights @ places() / weights.sum(axis=1, keepdims=True)
    momentum = np.sqrt(((centre[1:] - centre[:-1]) ** 2).sum(axis=1))
    strain = np.sqrt(((centre - key_centre(mode)) ** 2).sum(axis=1))
    return diameters()[mask], momentum, strain

"""What a listener of the library has heard and liked, beside what all others have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zhiyin.inference.shelf import Shelf
from zhiyin.library.events import read_heard
from zhiyin.library.listeners import find_listener
from zhiyin.library.store import Library


@dataclass(frozen=True)
class Ears:
    """One listener: pieces heard int64 (H,), oldest first, and likings float32 (H,) in -1..1. anyone: pieces that
    anybody has heard; popularity: piece -> sum of what other listeners like; others: their listener numbers, pieces, likings."""

    name: str
    piece: np.ndarray
    liking: np.ndarray
    anyone: np.ndarray
    popularity: Mapping[int, float]
    others: tuple[np.ndarray, np.ndarray, np.ndarray]


def hear(library: Library, name: str) -> Ears:
    """The ears of a listener; InputError that lists near names where there is none of that name."""
    number, heard = find_listener(library, name), read_heard(library)
    mine = np.flatnonzero(heard.listener == number)
    mine = mine[np.argsort(heard.last[mine], kind="stable")]
    popularity: dict[int, float] = {}
    rest = heard.listener != number
    others = (heard.listener[rest], heard.piece[rest], heard.liking[rest])
    for piece, liking in zip(*others[1:]):
        popularity[int(piece)] = popularity.get(int(piece), 0.0) + max(float(liking), 0.0)
    return Ears(name.strip(), heard.piece[mine], heard.liking[mine], np.unique(heard.piece), popularity, others)


def heard_rows(shelf: Shelf, ears: Ears) -> tuple[np.ndarray, np.ndarray]:
    """Where on the shelf the pieces stand that a listener has heard, oldest first, int64 (H,), and how much each is liked, float32 (H,)."""
    place = {int(p): i for i, p in enumerate(shelf.ids)}
    known = [(place[int(p)], float(v)) for p, v in zip(ears.piece, ears.liking) if int(p) in place]
    return np.array([k for k, _ in known], dtype=np.int64), np.array([v for _, v in known], dtype=np.float32)

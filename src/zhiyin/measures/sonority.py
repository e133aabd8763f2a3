"""Sets of pitch classes: which chord each is, its root, its interval classes, how rough it is. Tables over all 4,096 sets.

A set is twelve bits, bit d = the pitch class d semitones above a chosen one. Names follow Forte's set classes:
major 3-11B, minor 3-11A, diminished 3-10, augmented 3-12, sevenths 4-27B, 4-20, 4-26, 4-27A, 4-28.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

KINDS = (
    ("single", "single pitch classes", "单一音级"),
    ("second", "bare seconds and sevenths", "二度与七度双音"),
    ("third", "bare thirds and sixths", "三度与六度双音"),
    ("fifth", "bare fifths and fourths", "五度与四度双音"),
    ("tritone", "bare tritones", "三全音双音"),
    ("major", "major triads", "大三和弦"),
    ("minor", "minor triads", "小三和弦"),
    ("diminished", "diminished triads", "减三和弦"),
    ("augmented", "augmented triads", "增三和弦"),
    ("suspended", "suspended chords (fourth or second)", "挂留和弦"),
    ("three", "other three-note chords", "其他三音和弦"),
    ("dominant_seventh", "dominant sevenths", "属七和弦"),
    ("major_seventh", "major sevenths", "大七和弦"),
    ("minor_seventh", "minor sevenths", "小七和弦"),
    ("half_diminished", "half-diminished sevenths", "半减七和弦"),
    ("diminished_seventh", "diminished sevenths", "减七和弦"),
    ("four", "other four-note chords", "其他四音和弦"),
    ("five", "chords of five or more notes", "五音及以上和弦"),
)
KIND_OF = {name: i for i, (name, _, _) in enumerate(KINDS)}
CHORDS = {  # semitones above the root
    "major": (0, 4, 7), "minor": (0, 3, 7), "diminished": (0, 3, 6), "augmented": (0, 4, 8), "suspended": (0, 5, 7),
    "dominant_seventh": (0, 4, 7, 10), "major_seventh": (0, 4, 7, 11), "minor_seventh": (0, 3, 7, 10),
    "half_diminished": (0, 3, 6, 10), "diminished_seventh": (0, 3, 6, 9),
}  # fmt: skip
ROOTED = frozenset({"major", "minor", "diminished", "dominant_seventh", "major_seventh", "minor_seventh", "half_diminished"})
# Huron 1994: consonance of interval classes 1..6, from Malmberg, Kameoka & Kuriyagawa, Hutchinson & Knopoff
CONSONANCE = np.array([-1.428, -0.582, 0.594, 0.386, 1.240, -0.453])


def chord_templates(chords: Sequence[Sequence[int]]) -> np.ndarray:
    """Pitch classes of each chord on each root, float (12 x chords, 12), chord by chord within a root. chords: semitones above it."""
    out = np.zeros((12, len(chords), 12))
    for root in range(12):
        for k, chord in enumerate(chords):
            out[root, k, [(root + i) % 12 for i in chord]] = 1.0
    return out.reshape(-1, 12)


@cache
def kinds() -> tuple[np.ndarray, np.ndarray]:
    """(kind, root) of each set: index into KINDS (0 also for the empty set), root 0..11 or -1 where there is none; (4096,)."""
    size = sizes()
    kind = np.choose(np.minimum(size, 5), [0, 0, 0, KIND_OF["three"], KIND_OF["four"], KIND_OF["five"]])
    root = np.full(4096, -1)
    for a in range(12):
        for interval, name in ((1, "second"), (2, "second"), (3, "third"), (4, "third"), (5, "fifth"), (6, "tritone")):
            kind[1 << a | 1 << (a + interval) % 12] = KIND_OF[name]
        for name, chord in CHORDS.items():
            bits = sum(1 << (a + i) % 12 for i in chord)
            kind[bits] = KIND_OF[name]
            if name in ROOTED:
                root[bits] = a
    return kind, root


@cache
def sizes() -> np.ndarray:
    """Number of pitch classes in each set, int (4096,)."""
    return members().sum(axis=1)


@cache
def members() -> np.ndarray:
    """Which pitch classes each set holds, int (4096, 12)."""
    return (np.arange(4096)[:, None] >> np.arange(12)) & 1


@cache
def interval_classes() -> np.ndarray:
    """Pairs of each interval class 1..6 in each set (Forte's interval vector), int (4096, 6)."""
    held = members()
    pairs = np.stack([(held & np.roll(held, -i, axis=1)).sum(axis=1) for i in range(1, 7)], axis=1)
    pairs[:, 5] //= 2
    return pairs


@cache
def consonance() -> np.ndarray:
    """Mean consonance of the pairs of each set (Huron 1994), float (4096,); 0 for fewer than two pitch classes."""
    pairs = interval_classes()
    return pairs @ CONSONANCE / np.maximum(pairs.sum(axis=1), 1)

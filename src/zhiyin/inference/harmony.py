"""A plain functional harmony: one chord a bar that closes as each section's cadence asks, or chords fitted under a melody.

Chords are written into the bar table as advice to the model, which was trained on tables derived from real music.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zhiyin.encoding.fields import chord_class
from zhiyin.inference.controls import Key
from zhiyin.inference.form import Section

# Degree -> where it goes next, by weight. Degrees are semitones above the tonic.
_MAJOR = {
    0: {0: 4, 5: 3, 7: 3, 9: 2, 2: 1}, 2: {7: 6, 5: 1, 0: 1}, 4: {9: 3, 5: 3}, 5: {0: 3, 7: 4, 2: 2}, 7: {0: 6, 9: 1, 7: 1},
    9: {2: 3, 5: 3, 7: 1},
}  # fmt: skip
_MINOR = {
    0: {0: 4, 5: 3, 7: 3, 8: 2, 3: 1, 10: 1}, 3: {8: 2, 5: 2, 10: 2}, 5: {0: 2, 7: 4, 10: 1}, 7: {0: 6, 7: 1, 8: 1},
    8: {5: 2, 7: 2, 3: 2}, 10: {3: 4, 0: 1},
}  # fmt: skip
_QUALITY = (
    {0: "major", 2: "minor", 4: "minor", 5: "major", 7: "major", 9: "minor"},
    {0: "minor", 3: "major", 5: "minor", 7: "major", 8: "major", 10: "major"},
)


def plan_chords(sections: tuple[Section, ...], key: Key, rng: np.random.Generator) -> np.ndarray:
    """Chord class of each bar (``encoding.fields.chord_class``), int64 (bars,). A returning letter has its first harmony again."""
    out = np.zeros(sections[-1].last + 1, dtype=np.int64)
    heads: dict[str, list[int]] = {}
    for section in sections:
        degrees = heads.get(section.letter) or _walk(section, key.mode, rng)
        heads.setdefault(section.letter, degrees)
        degrees = (degrees + [0] * section.bars)[: section.bars]
        degrees = close(degrees, section.cadence)
        chords = [chord_class((key.tonic + d) % 12, _QUALITY[key.mode][d]) for d in degrees]
        out[section.first : section.last + 1] = chords
    return out


def close(degrees: list[int], cadence: str) -> list[int]:
    """The same degrees with their end bent to a cadence: … I V (half) or … V I (authentic)."""
    if len(degrees) < 2:
        return [7 if cadence == "half" else 0]
    ending = [0, 7] if cadence == "half" else [7, 0]
    if cadence == "half" and len(degrees) > 2 and degrees[-3] == 0:
        ending = [5, 7]
    return degrees[:-2] + ending


def _walk(section: Section, mode: int, rng: np.random.Generator) -> list[int]:
    """Degrees of a section: from the tonic (a first section) or off it (a later letter), by weighted steps."""
    table = (_MAJOR, _MINOR)[mode]
    degree = 0
    if section.letter != "A":
        degree = int(rng.choice([0, 5, 7, 9] if mode == 0 else [0, 3, 5, 8]))
    out = [degree]
    while len(out) < section.bars:
        following = table[degree]
        weights = np.array(list(following.values()), dtype=np.float64)
        if len(out) > 1 and out[-1] == out[-2]:
            weights[np.array(list(following)) == degree] = 0.0
        degree = int(rng.choice(list(following), p=weights / weights.sum()))
        out.append(degree)
    return out


@dataclass(frozen=True)
class Moment:
    """A moment that a chord is sought for. heard: weight of each pitch class that sounds, float (12,). strong: it begins a
    bar. close: "" or the cadence that ends here (authentic, half)."""

    heard: np.ndarray
    strong: bool
    close: str = ""


def fit_chords(moments: Sequence[Moment], key: Key, rng: np.random.Generator, sharpness: float = 2.5) -> list[tuple[int, ...]]:
    """A chord under each moment, as pitch classes (root first): drawn from all ways through the degrees of the key by how
    well they follow each other and hold what is heard (forward filtering, backward sampling; Rabiner 1989, III)."""
    table, qualities = (_MAJOR, _MINOR)[key.mode], _QUALITY[key.mode]
    degrees = list(table)
    chords = [_classes((key.tonic + d) % 12, qualities[d], seventh=d == 7) for d in degrees]
    inside = np.array([[c in chord for c in range(12)] for chord in chords])
    follow = np.array([[table[a].get(b, 0.15) for b in degrees] for a in degrees])
    follow /= follow.sum(axis=1, keepdims=True)
    stay, move = follow.copy(), follow.copy()
    np.fill_diagonal(stay, 0.6)
    np.fill_diagonal(move, 0.05)
    scores = np.array([_fit(m, inside, degrees, first=i == 0) for i, m in enumerate(moments)]) * sharpness
    steps = [sharpness * np.log(move if m.strong else stay) for m in moments]
    forward = [scores[0]]
    for i in range(1, len(moments)):
        before = forward[-1][:, None] + steps[i]
        top = before.max(axis=0)
        forward.append(scores[i] + top + np.log(np.exp(before - top).sum(axis=0)))
    path: list[int] = []
    for i in range(len(moments) - 1, -1, -1):
        odds = forward[i] + (steps[i + 1][:, path[-1]] if path else 0)
        odds = np.exp(odds - odds.max())
        path.append(int(rng.choice(len(degrees), p=odds / odds.sum())))
    return [chords[d] for d in reversed(path)]


def _fit(moment: Moment, inside: np.ndarray, degrees: list[int], *, first: bool) -> np.ndarray:
    """How well each degree's chord holds what is heard at a moment: log weight, float (degrees,)."""
    out = -4.0 * (~inside * moment.heard).sum(axis=1)
    wanted = {"authentic": 0, "half": 7}.get(moment.close)
    at = np.array(degrees)
    if wanted is not None:
        out += np.where(at == wanted, 3.0, 0.0)
    return out + (np.where(at == 0, 1.5, 0.0) if first else 0)


def _classes(root: int, quality: str, *, seventh: bool) -> tuple[int, ...]:
    third = 3 if quality == "minor" else 4
    return (root, (root + third) % 12, (root + 7) % 12, *([(root + 10) % 12] if seventh else []))

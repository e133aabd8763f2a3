"""A plain functional harmony, one chord a bar: tonic, predominant, dominant, closing as each section's cadence asks.

Chords are written into the bar table as advice to the model, which was trained on tables derived from real music.
"""

from __future__ import annotations

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

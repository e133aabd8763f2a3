"""Mask tables of the step graph: which pitches each part may play where, and where in a bar notes may begin.

Ranges of the instruments hold everywhere; cadences narrow the pitches of their bar; the last bar is struck once, on
its downbeat. Nothing here knows sessions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from zhiyin.encoding.fields import BAR_COLUMN, MAX_BAR_STEPS, MAX_PARTS, STEPS_PER_QUARTER
from zhiyin.inference.controls import Key
from zhiyin.inference.form import Section
from zhiyin.inference.instruments import Instrument

QUARTERS = MAX_BAR_STEPS // STEPS_PER_QUARTER
NO_POSITION, ANY_POSITION, GRID, DOWNBEAT = 0, 1, 2, 3  # rows of the position masks
DRUM_KEYS = (35, 81)


@dataclass
class Masks:
    """Tables of the step graph for one piece.

    pitch: bool (M, 128), row 0 empty. pitch_index: int64 (N, 16, 32), a row of ``pitch`` per bar, quarter, part.
    position: bool (4, 384). position_index: int64 (N,). final_bass: (part, row of ``pitch`` that it may strike after
    its first note of the last bar), part -1 = no such rule.
    """

    pitch: np.ndarray
    pitch_index: np.ndarray
    position: np.ndarray
    position_index: np.ndarray
    final_bass: tuple[int, int] = (-1, 0)


def position_masks() -> np.ndarray:
    """No position, any, the grid of thirty-seconds and triplets, the downbeat. bool (4, 384)."""
    at = np.arange(MAX_BAR_STEPS)
    grid = (at % 3 == 0) | (at % 4 == 0)
    return np.stack([np.zeros_like(grid), np.ones_like(grid), grid, at == 0])


class PitchSets:
    """Distinct pitch sets and their row numbers; row 0 is the empty set."""

    def __init__(self, rows: Iterable[np.ndarray] = ()) -> None:
        self.rows: list[np.ndarray] = [np.zeros(128, dtype=bool)]
        self._index: dict[bytes, int] = {}
        for row in rows:
            self._index[np.packbits(row).tobytes()] = len(self.rows)
            self.rows.append(row)

    def add(self, mask: np.ndarray) -> int:
        """Row number of a set, added where it is new."""
        key = np.packbits(mask).tobytes()
        if key not in self._index:
            self._index[key] = len(self.rows)
            self.rows.append(mask)
        return self._index[key]


def range_mask(instrument: Instrument) -> np.ndarray:
    """Pitches within an instrument's range. bool (128,)."""
    pitch = np.arange(128)
    return (pitch >= instrument.low) & (pitch <= instrument.high)


def class_mask(pitch_classes: Sequence[int]) -> np.ndarray:
    """All pitches of some pitch classes. bool (128,)."""
    return np.isin(np.arange(128) % 12, list(pitch_classes))


def plain_masks(bars: np.ndarray, parts: Sequence[Instrument]) -> Masks:
    """Ranges only: every position of the grid in every bar."""
    sets = PitchSets()
    index = np.zeros((len(bars), QUARTERS, MAX_PARTS), dtype=np.int64)
    for p, part in enumerate(parts):
        index[:, :, p] = sets.add(range_mask(part))
    return Masks(np.array(sets.rows), index, position_masks(), np.full(len(bars), GRID, dtype=np.int64))


def cadence_masks(bars: np.ndarray, parts: Sequence[Instrument], key: Key, sections: Sequence[Section]) -> Masks:
    """Ranges, cadences at the sections' ends, and a last bar that is one long tonic chord (dominant if it closes half)."""
    masks = plain_masks(bars, parts)
    sets = PitchSets(masks.pitch[1:])
    pitched = [p for p, part in enumerate(parts) if part.program != 128]
    if pitched:
        bass = bass_part(parts)
        for section in sections:
            begin = 0 if section.last == len(bars) - 1 else close_from(bars, section.last)
            _close_section(masks, sets, _Ensemble(parts, pitched, bass), key, section, begin)
    masks.pitch = np.array(sets.rows)
    masks.position_index[-1] = DOWNBEAT
    return masks


@dataclass(frozen=True)
class _Ensemble:
    """Parts, which of them are pitched, and which is the bass."""

    parts: Sequence[Instrument]
    pitched: Sequence[int]
    bass: int


def _close_section(masks: Masks, sets: PitchSets, ensemble: _Ensemble, key: Key, section: Section, begin: int) -> None:
    """Narrows the pitches of a section's last bar from quarter ``begin`` on to its closing chord, the bass to the root."""
    root, chord = cadence_chord(key, section.cadence)
    parts, final = ensemble.parts, section.last == len(masks.pitch_index) - 1
    alone = len(ensemble.pitched) == 1
    for p in ensemble.pitched:
        inside, bass = range_mask(parts[p]), p == ensemble.bass
        tones = class_mask(chord[:2] if final and not bass and p == top_part(parts) else chord)
        allowed = _not_empty(tones & inside, inside)
        roots = _not_empty(class_mask([root]) & inside & lower_half(parts[p], single=alone), allowed)
        rooted = bass and (final or (parts[p].single and (not alone or section.cadence == "authentic")))
        masks.pitch_index[section.last, begin:, p] = sets.add(roots if rooted else allowed)
        if final and bass:
            masks.final_bass = (p, sets.add(roots if parts[p].single else allowed))


def close_from(bars: np.ndarray, row: int) -> int:
    """First quarter of a cadence bar that its chord fills: the second half of the bar."""
    quarters = int(bars[row, BAR_COLUMN["length"]]) / STEPS_PER_QUARTER
    return max(int(np.ceil(quarters / 2)), 1) if quarters > 1 else 0


def cadence_chord(key: Key, cadence: str) -> tuple[int, list[int]]:
    """Root and pitch classes (root, third, fifth) of the chord that a cadence ends on."""
    if cadence == "half":
        root = (key.tonic + 7) % 12
        return root, [root, (root + 4) % 12, (root + 7) % 12]
    return key.tonic, [key.tonic, (key.tonic + (3 if key.mode else 4)) % 12, (key.tonic + 7) % 12]


def lower_half(part: Instrument, *, single: bool) -> np.ndarray:
    """The half of a part's range where a closing bass note lies: all of it for a lone melody. bool (128,)."""
    pitch = np.arange(128)
    if part.single and single:
        return np.ones(128, dtype=bool)
    high = min((part.low + part.high) // 2, 55) if not part.single else part.high
    return pitch <= max(high, part.low + 12)


def bass_part(parts: Sequence[Instrument]) -> int:
    """The part that carries the bass: the lowest pitched one, the last of equals."""
    return min((part.low, -p, p) for p, part in enumerate(parts) if part.program != 128)[2]


def top_part(parts: Sequence[Instrument]) -> int:
    """The part that carries the tune: the highest pitched one, the first of equals."""
    return min((-part.high, p) for p, part in enumerate(parts) if part.program != 128)[1]


def _not_empty(mask: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    return mask if mask.any() else otherwise

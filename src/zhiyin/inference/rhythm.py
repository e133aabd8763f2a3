"""The rhythm of a score as a constraint: where notes begin and how long they last, without their pitches.

It is plain data (lists of whole numbers), so that a record carries it. Nothing here knows masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.encoding import encode
from zhiyin.encoding.fields import BAR_COLUMN, BAR_FLAGS, DRUM_PROGRAM, DURATIONS, MAX_BAR_STEP, ROW_SIZES
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION
from zhiyin.errors import ControlError
from zhiyin.inference.instruments import part_words
from zhiyin.inference.past import kept_parts
from zhiyin.score import Score

MAX_NOTES = 50_000


@dataclass(frozen=True)
class Rhythm:
    """Onsets and durations. meter: "3/4". bars: how many. notes: int64 (R, 4), bar, position (steps), part, duration
    class, sorted, bar 0 the first full bar. parts: words for its instruments. name: where it comes from. ranges: lowest and highest
    pitch of each part where it was read (none in records before 2026-11-25), so that a bass stays a bass; register: their mean pitch, 0 = not known."""

    meter: str
    bars: int
    notes: np.ndarray
    parts: tuple[str, ...]
    name: str = "the rhythm"
    ranges: tuple[tuple[int, int], ...] = ()
    register: float = 0.0

    def as_data(self) -> dict[str, Any]:
        """As a record writes it; ``read_rhythm`` takes it back."""
        return {
            "meter": self.meter, "bars": self.bars, "notes": self.notes.tolist(), "parts": list(self.parts), "name": self.name,
            "ranges": [list(r) for r in self.ranges], "register": self.register,
        }  # fmt: skip


def read_rhythm(source: Rhythm | Mapping[str, Any] | Score | str | Path) -> Rhythm:
    """The rhythm of a score, a file, or what ``Rhythm.as_data`` gave. Raises ControlError for music that has none to give."""
    if isinstance(source, Rhythm):
        return source
    if isinstance(source, Mapping):
        return _from_data(source)
    if isinstance(source, Score):
        return rhythm_of(source)
    from zhiyin.formats.catalog import load

    return rhythm_of(load(source), Path(source).name)


def rhythm_of(score: Score, name: str = "the rhythm") -> Rhythm:
    """Onsets and durations of a score on the encoding's grid, from its first full bar on; parts in their order."""
    if not len(score.notes):
        raise ControlError(f"{name} has no rhythm", expected="a score with notes", received="0 notes")
    piece, _ = encode(score)
    upbeat = int(piece.bars[0, BAR_COLUMN["flag"]] == 1 + BAR_FLAGS.index("upbeat"))
    lengths = piece.bars[upbeat:, BAR_COLUMN["length"]]
    meters = np.unique(piece.bars[upbeat:, [BAR_COLUMN["numerator"], BAR_COLUMN["denominator"]]], axis=0)
    if len(meters) > 1 or not len(lengths):
        raise ControlError(
            f"The rhythm of {name} cannot be used", expected="one meter from beginning to end",
            received=", ".join(f"{a}/{2 ** (b - 1)}" for a, b in meters.tolist()) or "an upbeat alone",
            hint="cut the part of the file that you need",
        )  # fmt: skip
    rows = piece.rows[piece.rows[:, BAR] >= upbeat].astype(np.int64)
    notes = np.stack([rows[:, BAR] - upbeat, rows[:, POSITION], rows[:, PART], rows[:, DURATION]], axis=1)
    numerator, denominator = (int(x) for x in meters[0])
    parts = part_words([score.parts[p] for p in kept_parts(score)])
    pitch = [rows[rows[:, PART] == p, PITCH] for p in range(len(parts))]
    ranges = tuple((int(p.min(initial=127)), int(p.max(initial=0))) for p in pitch)
    pitched = rows[piece.programs[rows[:, PART]] != DRUM_PROGRAM, PITCH]
    register = round(float(pitched.mean()), 2) if len(pitched) else 0.0
    return _checked(Rhythm(f"{numerator}/{2 ** (denominator - 1)}", len(lengths), notes, parts, name, ranges, register))


def _from_data(data: Mapping[str, Any]) -> Rhythm:
    try:
        notes = np.array(data["notes"], dtype=np.int64).reshape(-1, 4)
        parts = tuple(str(p) for p in data["parts"])
        ranges = tuple((int(low), int(high)) for low, high in data.get("ranges", ()))
        name, register = str(data.get("name", "the rhythm")), float(data.get("register", 0.0))
        return _checked(Rhythm(str(data["meter"]), int(data["bars"]), notes, parts, name, ranges, register))
    except (KeyError, TypeError, ValueError) as problem:
        raise ControlError(
            "The rhythm is damaged", expected="meter, bars and notes as Rhythm.as_data writes them", received=str(problem)[:80]
        ) from None


def _checked(rhythm: Rhythm) -> Rhythm:
    notes = rhythm.notes
    inside = len(notes) and (notes >= 0).all() and notes[:, 0].max() < rhythm.bars and notes[:, 2].max() < len(rhythm.parts)
    if not inside or len(notes) > MAX_NOTES or notes[:, 3].max() >= len(DURATIONS) or notes[:, 1].max() >= ROW_SIZES[1]:
        raise ControlError(
            f"The rhythm of {rhythm.name} cannot be used", expected=f"1..{MAX_NOTES:,} notes in its full bars",
            received=f"{len(notes)} notes in {rhythm.bars} bars",
        )  # fmt: skip
    gaps = np.diff(np.unique(np.r_[-1, notes[:, 0], rhythm.bars + notes[0, 0]]))
    if gaps.max() > MAX_BAR_STEP:
        raise ControlError(
            f"The rhythm of {rhythm.name} cannot be used", expected=f"at most {MAX_BAR_STEP - 1} silent bars in a row",
            received=f"{int(gaps.max()) - 1}",
        )  # fmt: skip
    order = np.lexsort((notes[:, 2], notes[:, 1], notes[:, 0]))
    return replace(rhythm, notes=notes[order])

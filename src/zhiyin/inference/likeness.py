"""What a new piece may take from another without its notes: density, register, meter, tempo, key, parts, rhythm profile.

It is plain data (names and numbers), so that a record carries it. Nothing here knows masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.encoding.fields import BAR_COLUMN, MAX_BAR_STEPS, STEPS_PER_QUARTER
from zhiyin.encoding.rows import BAR, POSITION, encode
from zhiyin.errors import ControlError
from zhiyin.inference.instruments import part_words
from zhiyin.inference.past import kept_parts
from zhiyin.measures.key import find_key
from zhiyin.score import Score

SELDOM = 0.02  # places of the bar that hold fewer of the onsets are not part of a rhythm profile


@dataclass(frozen=True)
class Likeness:
    """Features of a piece. key: "D minor", "" for drums alone. tempo_qpm: quarters a minute. density: notes a quarter.
    register: mean MIDI pitch, 0 for drums alone. positions: steps of the bar where its notes begin. name: of the file."""

    key: str
    meter: str
    tempo_qpm: float
    density: float
    register: float
    parts: tuple[str, ...]
    positions: tuple[int, ...]
    name: str = "the piece"

    def as_data(self) -> dict[str, Any]:
        """As a record writes it; ``read_likeness`` takes it back."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def position_mask(self) -> np.ndarray:
        """Where in a bar notes may begin. bool (384,)."""
        return np.isin(np.arange(MAX_BAR_STEPS), self.positions)

    def controls(self) -> dict[str, Any]:
        """The controls that it stands for, where nothing else is said."""
        found = {"key": self.key, "meter": self.meter, "tempo_qpm": self.tempo_qpm, "density": self.density}
        found |= {"register": self.register, "parts": self.parts}
        return {name: value for name, value in found.items() if value}


def read_likeness(source: Likeness | Mapping[str, Any] | Score | str | Path) -> Likeness:
    """The features of a score, a file, or what ``Likeness.as_data`` gave."""
    if isinstance(source, Likeness):
        return source
    if isinstance(source, Score):
        return likeness_of(source)
    if isinstance(source, Mapping):
        try:
            own = {**source, "parts": tuple(source["parts"]), "positions": tuple(int(p) for p in source["positions"])}
            return Likeness(**own)
        except (KeyError, TypeError, ValueError) as problem:
            raise ControlError(
                "The features of the piece to be like are damaged", expected="what Likeness.as_data writes",
                received=str(problem)[:80],
            ) from None  # fmt: skip
    from zhiyin.formats.catalog import load

    return likeness_of(load(source), Path(source).name)


def likeness_of(score: Score, name: str = "the piece") -> Likeness:
    """The features of a score: its commonest meter, the tempo of its first bar, the key that is heard."""
    if not len(score.notes):
        raise ControlError(f"{name} has no features to take", expected="a score with notes", received="0 notes")
    drums = score.drums[score.notes["part"]]
    key = "" if drums.all() else find_key(score).name
    piece, _ = encode(score)
    table = piece.bars.astype(np.int64)
    meters, counts = np.unique(
        table[:, [BAR_COLUMN["numerator"], BAR_COLUMN["denominator"]]], axis=0, return_counts=True
    )
    numerator, denominator = (int(x) for x in meters[counts.argmax()])
    tempo = float(next((t for t in score.bars["tempo_qpm"] if t > 0), 0.0))
    quarters = float(table[:, BAR_COLUMN["length"]].sum()) / STEPS_PER_QUARTER
    return Likeness(
        key=key, meter=f"{numerator}/{2 ** (denominator - 1)}", tempo_qpm=round(tempo, 2),
        density=round(min(max(len(score.notes) / quarters, 0.1), 24.0), 3),
        register=0.0 if drums.all() else round(float(np.clip(score.notes["pitch"][~drums].mean(), 21, 108)), 2),
        parts=part_words([score.parts[p] for p in kept_parts(score)]),
        positions=_positions(piece.rows, table, (numerator, denominator)), name=name,
    )  # fmt: skip


def _positions(rows: np.ndarray, table: np.ndarray, meter: tuple[int, int]) -> tuple[int, ...]:
    """Steps of the bar of a meter at which at least SELDOM of the notes begin, the downbeat always among them."""
    inside = (table[:, [BAR_COLUMN["numerator"], BAR_COLUMN["denominator"]]] == meter).all(axis=1)
    at = rows[inside[rows[:, BAR]], POSITION]
    steps, counts = np.unique(at, return_counts=True)
    often = steps[counts >= SELDOM * max(len(at), 1)]
    return tuple(sorted({0, *(int(s) for s in often)}))

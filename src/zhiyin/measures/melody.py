"""Which notes of a score are its melody: the part that sings it, or the highest line of a part that plays chords.

Pure functions on a ``Score``. The highest line is the "skyline" of Uitdenbogerd & Zobel (1998), cut where a higher
note enters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zhiyin.errors import InputError
from zhiyin.score import Score
from zhiyin.score.named_parts import named_parts, part_title, part_titles

_SUNG = ("melody", "soprano", "voice", "vocal", "lead", "tune", "cantus", "treble", "singer", "旋律", "人声", "女高音")
_CHORDS = 0.02  # share of notes struck together with another of their part from which a part plays chords


@dataclass(frozen=True)
class Melody:
    """A line of a score. part: its index. rows: indices of its notes in ``score.notes``, one at a time. said: how it was
    chosen, in words ("" where there was no choice)."""

    part: int
    rows: np.ndarray
    said: str = ""


def find_melody(score: Score, name: str | None = None) -> Melody:
    """The melody of a score: the part of that name or number, else the part that its name calls a melody, else the highest.

    Raises ControlError for a part that is not there, InputError for one, or a score, without pitched notes.
    """
    pitched = [p for p in range(len(score.parts)) if not score.parts[p].drums and (score.notes["part"] == p).any()]
    if not pitched:
        raise InputError("No melody to take", expected="a part with pitched notes", received="none")
    part = named_parts(name, part_titles(score), several=False)[0] if name else _likely(score, pitched)
    if part not in pitched:
        raise InputError(f"Part {score.parts[part].name!r} has no melody", expected="pitched notes", received="none")
    rows = np.flatnonzero((score.notes["part"] == part) & ~score.notes["grace"])
    top = skyline(score.notes, rows)
    said = f"melody from {part_title(score, part)}" if len(pitched) > 1 and not name else ""
    if len(top) < len(rows) * (1 - _CHORDS):
        said = f"the highest line of {part_title(score, part)} is taken as the melody ({len(top)} of {len(rows)} notes)"
    return Melody(part, top, said)


def skyline(notes: np.ndarray, rows: np.ndarray, *, lowest: bool = False) -> np.ndarray:
    """Of some notes (indices into a NOTE array, in order of time) those of the highest line (or the lowest): the outermost
    of each onset, unless one further out still sounds for longer than half of its own length."""
    pitch = -notes["pitch"].astype(int) if lowest else notes["pitch"].astype(int)
    onset, length = notes["onset"].astype(np.int64), notes["duration"].astype(np.int64)
    out: list[int] = []
    for group in np.split(rows, np.flatnonzero(np.diff(onset[rows])) + 1):
        if not len(group):
            continue
        best = int(group[pitch[group].argmax()])
        last = out[-1] if out else -1
        if last >= 0 and pitch[last] > pitch[best] and onset[last] + length[last] - onset[best] > length[best] / 2:
            continue
        out.append(best)
    return np.array(out, dtype=np.int64)


def _likely(score: Score, pitched: list[int]) -> int:
    for part in pitched:
        if any(word in score.parts[part].name.casefold() for word in _SUNG):
            return part
    heights = [float(score.notes["pitch"][score.notes["part"] == p].mean()) for p in pitched]
    return pitched[int(np.argmax(heights))]

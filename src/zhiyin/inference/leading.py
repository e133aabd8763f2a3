"""Voice leading while writing: which pitches of a place keep the rules of four-part writing with what sounds already.

Rules in order of weight (Piston, Harmony; Aldwell & Schachter): no crossing, no parallel fifths or octaves, a bass on the
root or third, leading notes that rise and are not doubled, a complete chord, no overlap, no wide leaps, close upper
voices. A rule that would leave nothing gives way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from zhiyin.encoding.rows import PART, PITCH

_LEAP, _BASS_LEAP, _SPACING = 7, 12, 12  # semitones


@dataclass(frozen=True)
class Slot:
    """A chord of the plan at one moment: its pitch classes (root, third, fifth …), and the key's leading note."""

    classes: tuple[int, ...]
    leading: int


class VoiceLeading:
    """Narrows the pitches of places (see ``Request.lead``). Places come moment by moment, ``fresh`` parts each.

    given: int (2, slots, parts), pitch that each given part sounds just before a moment and at it, -1 none. slots: the
    chord of each moment.
    """

    def __init__(self, fresh: Sequence[int], given: np.ndarray, slots: Sequence[Slot]) -> None:
        self.fresh, self.given, self.slots = list(fresh), given, slots

    def __call__(self, place: int, rows: list[list[int]], pitches: np.ndarray) -> np.ndarray:
        """What the rules leave of ``pitches``, bool (128,)."""
        count = len(self.fresh)
        slot, at = divmod(place, count)
        now = _sounding(self.given[1, slot], rows[len(rows) - at :])
        before = _sounding(self.given[0, slot], rows[max(len(rows) - at - count, 0) : len(rows) - at])
        part = self.fresh[at]
        above = [p for p in range(part) if now[p] >= 0]
        upper = at < count - 1
        rules: list[Callable[[np.ndarray], np.ndarray]] = [
            lambda q: _below(q, now, above), lambda q: _not_parallel(q, now, before, part, above),
            lambda q: upper | np.isin(q % 12, self.slots[slot].classes[:2]), lambda q: self._resolves(q, slot, before[part]),
            lambda q: ~np.isin(q % 12, self._taken(slot, now)), lambda q: self._completes(q, slot, at, now),
            lambda q: _below(q, before, above[-1:]), lambda q: _near(q, before[part], _LEAP if upper else _BASS_LEAP), lambda q: _close(q, now, above, upper),
        ]  # fmt: skip
        left = np.flatnonzero(pitches)
        for rule in rules:
            kept = left[rule(left)]
            left = kept if len(kept) else left
        out = np.zeros(128, dtype=bool)
        out[left] = True
        return out

    def _taken(self, slot: int, now: np.ndarray) -> list[int]:
        """Pitch classes that must not be doubled and sound already: the leading note, a seventh."""
        chord = self.slots[slot]
        tender = {chord.leading, *chord.classes[3:]} - {chord.classes[0]}
        return [c for c in tender if (now[now >= 0] % 12 == c).any()]

    def _resolves(self, pitch: np.ndarray, slot: int, before: int) -> np.ndarray:
        """A leading note rises to the tonic where the chord has it."""
        chord = self.slots[slot]
        hangs = before >= 0 and before % 12 == chord.leading and (chord.leading + 1) % 12 in chord.classes
        return pitch == before + 1 if hangs else np.ones(len(pitch), dtype=bool)

    def _completes(self, pitch: np.ndarray, slot: int, at: int, now: np.ndarray) -> np.ndarray:
        """The last upper voice brings the third where it is missing, else the fifth or root."""
        chord = self.slots[slot].classes
        heard = {int(c) for c in now[now >= 0] % 12}
        missing = [c for c in chord[1:2] if c not in heard] if at == len(self.fresh) - 2 else []
        return np.isin(pitch % 12, missing) if missing else np.ones(len(pitch), dtype=bool)


def _sounding(given: np.ndarray, rows: list[list[int]]) -> np.ndarray:
    """Pitch of each part: the given ones, and those of some new rows; -1 none."""
    out = given.copy()
    for row in rows:
        out[row[PART]] = row[PITCH]
    return out


def _below(pitch: np.ndarray, now: np.ndarray, above: Sequence[int]) -> np.ndarray:
    """Not above what voices above sound (where they sound)."""
    return pitch <= min((now[p] for p in above if now[p] >= 0), default=127)


def _not_parallel(
    pitch: np.ndarray, now: np.ndarray, before: np.ndarray, part: int, above: Sequence[int]
) -> np.ndarray:
    """Not the same perfect interval as before with a voice that has moved."""
    legal = np.ones(len(pitch), dtype=bool)
    for p in (p for p in above if before[p] >= 0 and before[part] >= 0 and now[p] != before[p]):
        size = (before[p] - before[part]) % 12
        if size in (0, 7):
            legal &= ((now[p] - pitch) % 12 != size) | (pitch == before[part])
    return legal


def _near(pitch: np.ndarray, before: int, most: int) -> np.ndarray:
    return np.abs(pitch - before) <= most if before >= 0 else np.ones(len(pitch), dtype=bool)


def _close(pitch: np.ndarray, now: np.ndarray, above: Sequence[int], upper: bool) -> np.ndarray:
    """Upper voices within an octave of their neighbour."""
    return now[above[-1]] - pitch <= _SPACING if above and upper else np.ones(len(pitch), dtype=bool)

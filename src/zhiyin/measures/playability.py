"""Whether people can play it: hands, breath, ranges, speed, and notes that hang or bars that are empty.

Pure functions on a ``Score``; each gives problems with their bar and part. The limits and where they come from:

* a hand takes at most five notes and spans a tenth (16 semitones): piano handbooks give a ninth to a tenth as the
  comfortable stretch of an adult hand;
* a singer or wind player breathes at a rest of ``BREATH_SECONDS`` or after a note of a second (its end is stolen);
  without either a phrase of more than 15 s is breathless (comfortable phonation at song level is 10 to 20 s);
* one line of more than 14 notes a second is faster than players repeat or trill (fast trills reach 12 to 14);
* ranges are the instruments' physical ones, wider than a composer would use.

Times in seconds go through the score's tempo map. Nothing here knows models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from zhiyin.score import Score

HAND_SPAN = 16  # semitones
HAND_NOTES = 5
BREATH_SECONDS = 0.12
STOLEN_FROM_SECONDS = 1.0
PHRASE_SECONDS = 15.0
NOTES_PER_SECOND = 14.0
HUNG_SECONDS = 12.0

KEYBOARDS = frozenset([*range(8), *range(16, 24)])
_BLOWN = frozenset([*range(52, 55), *range(56, 80), 109, 111])
_RANGES = {  # first program of a family -> lowest and highest pitch that its instruments reach
    0: (21, 108), 8: (48, 108), 16: (24, 108), 24: (36, 93), 32: (23, 67), 40: (28, 105), 48: (24, 108), 52: (36, 86),
    56: (26, 90), 64: (32, 96), 72: (48, 110), 80: (0, 127), 104: (36, 100), 112: (0, 127),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that cannot be played. ``bar``: number as printed; part: index (-1 = whole score); hard: nobody can."""

    kind: str
    bar: int
    part: int
    detail: str
    hard: bool = True


def find_problems(score: Score) -> tuple[Problem, ...]:
    """All problems of a score, in order of bars."""
    checks: tuple[Callable[[Score], list[Problem]], ...] = (
        out_of_range,
        hands,
        breath,
        speed,
        hung_notes,
        empty_bars,
    )
    found = [problem for check in checks for problem in check(score)]
    return tuple(sorted(found, key=lambda p: (p.bar, p.part, p.kind)))


def is_playable(score: Score) -> bool:
    """Whether a score has no hard problem."""
    return not any(p.hard for p in find_problems(score))


def program_range(program: int) -> tuple[int, int]:
    """Lowest and highest pitch that a General MIDI program's instruments reach."""
    first = max(p for p in _RANGES if p <= program)
    return _RANGES[first]


def out_of_range(score: Score) -> list[Problem]:
    """Notes outside what the part's instrument can sound (drums: keys 27..87)."""
    out: list[Problem] = []
    for p, part in enumerate(score.parts):
        low, high = (27, 87) if part.drums else program_range(part.program)
        notes = score.notes[score.notes["part"] == p]
        for note in notes[(notes["pitch"] < low) | (notes["pitch"] > high)]:
            text = f"pitch {int(note['pitch'])} outside {low}..{high}"
            out.append(Problem("range", score.bar_number(int(note["onset"])), p, text))
    return out


def hands(score: Score) -> list[Problem]:
    """Keyboard chords struck together that two hands cannot take: each at most five notes within a tenth."""
    out: list[Problem] = []
    for p, part in enumerate(score.parts):
        if part.drums or part.program not in KEYBOARDS:
            continue
        notes = score.notes[(score.notes["part"] == p) & ~score.notes["grace"]]
        for onset, chord in _chords(notes):
            if not two_hands(chord):
                out.append(Problem("hands", score.bar_number(onset), p, f"chord {' '.join(map(str, chord))}"))
    return out


def two_hands(pitches: list[int]) -> bool:
    """Whether pitches (ascending) split into a lower and an upper group that one hand each can take."""

    def fits(group: list[int]) -> bool:
        return not group or (len(group) <= HAND_NOTES and group[-1] - group[0] <= HAND_SPAN)

    return any(fits(pitches[:cut]) and fits(pitches[cut:]) for cut in range(len(pitches) + 1))


def breath(score: Score) -> list[Problem]:
    """Stretches of a singer's or wind player's part with no place to breathe for more than ``PHRASE_SECONDS``."""
    out: list[Problem] = []
    for p, part in enumerate(score.parts):
        notes = score.notes[(score.notes["part"] == p) & ~score.notes["grace"]]
        if part.drums or part.program not in _BLOWN or not len(notes):
            continue
        start = score.seconds(notes["onset"])
        end = np.maximum.accumulate(score.seconds(notes["onset"] + notes["duration"]))
        rests = start[1:] - end[:-1] >= BREATH_SECONDS
        stolen = (end[:-1] - start[:-1] >= STOLEN_FROM_SECONDS) & (start[1:] >= end[:-1] - 1e-6)
        begins = np.r_[0, np.flatnonzero(rests | stolen) + 1]
        ends = np.r_[begins[1:] - 1, len(notes) - 1]
        for first, last in zip(begins, ends):
            length = float(end[last] - start[first])
            if length > PHRASE_SECONDS:
                text = f"{length:.0f} s without a breath"
                out.append(
                    Problem(
                        "breath", score.bar_number(int(notes["onset"][first])), p, text, hard=length > 2 * PHRASE_SECONDS
                    )
                )
    return out


def speed(score: Score) -> list[Problem]:
    """Runs of eight onsets in one part that are faster than ``NOTES_PER_SECOND``."""
    out: list[Problem] = []
    for p, part in enumerate(score.parts):
        onsets = score.notes["onset"][(score.notes["part"] == p) & ~score.notes["grace"]]
        if part.drums or not len(onsets):
            continue
        onsets = onsets[np.r_[True, onsets[1:] != onsets[:-1]]]  # in order; np.unique would import numpy.ma, 20 ms
        if len(onsets) < 8:
            continue
        seconds = score.seconds(onsets)
        rate = 7 / np.maximum(seconds[7:] - seconds[:-7], 1e-9)
        if rate.max() > NOTES_PER_SECOND:
            at = int(rate.argmax())
            out.append(Problem("speed", score.bar_number(int(onsets[at])), p, f"{rate.max():.0f} onsets a second"))
    return out


def hung_notes(score: Score) -> list[Problem]:
    """Notes that sound past the last bar, or for more than ``HUNG_SECONDS`` while their own part moves on."""
    out: list[Problem] = []
    if not len(score.notes):
        return out
    end = int(score.bars["onset"][-1] + score.bars["duration"][-1])
    stop = score.notes["onset"].astype(np.int64) + score.notes["duration"]
    length = score.seconds(stop) - score.seconds(score.notes["onset"])
    for i in np.flatnonzero((stop > end) | (length > HUNG_SECONDS)):
        note = score.notes[i]
        text = "sounds past the last bar" if stop[i] > end else f"sounds for {length[i]:.0f} s"
        moves = (
            (score.notes["part"] == note["part"])
            & (score.notes["onset"] > note["onset"])
            & (score.notes["onset"] < stop[i])
        )
        if stop[i] > end or moves.sum() >= 8:
            out.append(Problem("hung", score.bar_number(int(note["onset"])), int(note["part"]), text))
    return out


def empty_bars(score: Score) -> list[Problem]:
    """Bars in which nothing begins and nothing goes on sounding."""
    begin, end = score.bars["onset"], score.bars["onset"] + score.bars["duration"]
    onsets = np.sort(score.notes["onset"])
    stops = np.sort(score.notes["onset"].astype(np.int64) + score.notes["duration"])
    begun = np.searchsorted(onsets, end, side="left")
    over = np.searchsorted(stops, begin, side="right")
    return [Problem("empty", int(score.bars["number"][i]), -1, "nothing sounds") for i in np.flatnonzero(begun <= over)]


def _chords(notes: np.ndarray) -> list[tuple[int, list[int]]]:
    """Onset and ascending pitches of each group of notes struck together; ``notes`` sorted by onset."""
    edges = np.flatnonzero(np.diff(notes["onset"])) + 1
    groups = np.split(notes, edges) if len(notes) else []
    return [(int(g["onset"][0]), sorted(int(v) for v in g["pitch"])) for g in groups if len(g) > 1]

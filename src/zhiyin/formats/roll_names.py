"""What a piano roll writes in words: names of sections, pitches and drums. Pure functions on a Score."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from zhiyin.score.score import UNKNOWN_KEY, UNSPELLED, Score

DRUM_NAMES = {
    35: "Kick", 36: "Kick", 37: "Rim", 38: "Snare", 39: "Clap", 40: "Snare", 41: "Tom", 42: "Hat", 43: "Tom",
    44: "Pedal", 45: "Tom", 46: "Open", 47: "Tom", 48: "Tom", 49: "Crash", 50: "Tom", 51: "Ride",
    52: "China", 53: "Bell", 54: "Tamb.", 55: "Splash", 56: "Cowbell", 57: "Crash", 58: "Vibra", 59: "Ride",
}  # fmt: skip
_STEPS = "FCGDAEB"
_FLATS = ("C", "D♭", "D", "E♭", "E", "F", "G♭", "G", "A♭", "A", "B♭", "B")
_SHARPS = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_SECTION = re.compile(r"\b([A-Z][′'’]*|[A-Za-z]{3,12})\s*[:=]?\s*(\d+)\s*[-–]\s*(\d+)")
_REHEARSAL = re.compile(r"^[A-Z][′'’]*\d?$")


@dataclass(frozen=True, slots=True)
class Section:
    """A named stretch of bars: ``first`` and ``last`` are rows of Score.bars, both inside the section."""

    name: str
    first: int
    last: int


def sections_of(score: Score) -> tuple[Section, ...]:
    """The sections that a score names: ``metadata["sections"]`` ("A 1-8, B 9-16"), else letters among its texts."""
    found = [
        Section(name, *(_row_of_bar(score, int(n)) for n in (first, last)))
        for name, first, last in _SECTION.findall(score.metadata.get("sections", ""))
        if int(first) <= int(last)
    ]
    if found:
        return tuple(found)
    letters = [
        (int(score.bar_of(m.onset)), m.value) for m in score.marks if m.kind == "text" and _REHEARSAL.match(m.value)
    ]
    letters = list(dict(letters).items())
    ends = [bar for bar, _ in letters[1:]] + [len(score.bars)]
    return tuple(Section(name, bar, end - 1) for (bar, name), end in zip(letters, ends))


def _row_of_bar(score: Score, number: int) -> int:
    rows = np.flatnonzero(score.bars["number"] == number)
    return int(rows[0]) if len(rows) else min(max(number - 1, 0), len(score.bars) - 1)


def pitch_name(pitch: int, spelling: int = UNSPELLED, fifths: int = 0) -> str:
    """ "F♯4" for a MIDI number: by its spelling where it has one, else sharps or flats by the key signature."""
    if spelling != UNSPELLED:
        shift, accidental = (spelling + 1) % 7, (spelling + 1) // 7
        natural = (pitch - accidental) // 12 - 1
        return _STEPS[shift] + ("♯" * accidental if accidental > 0 else "♭" * -accidental) + str(natural)
    return (_FLATS if fifths < 0 else _SHARPS)[pitch % 12] + str(pitch // 12 - 1)


def drum_mask(score: Score) -> np.ndarray:
    """Which notes belong to drum parts: bool, shape (notes,)."""
    return score.drums[score.notes["part"]]


def note_label(score: Score, index: int) -> str:
    """ "F♯4 · bar 3 · Viola" for one note of a score."""
    note = score.notes[index]
    bar = score.bars[int(score.bar_of(int(note["onset"])))]
    part = score.parts[int(note["part"])]
    pitch, fifths = int(note["pitch"]), int(bar["key"]) if bar["key"] != UNKNOWN_KEY else 0
    name = DRUM_NAMES.get(pitch, f"drum {pitch}") if part.drums else pitch_name(pitch, int(note["spelling"]), fifths)
    return " · ".join(filter(None, (name, f"bar {int(bar['number'])}", part.name)))


def colour_groups(score: Score) -> tuple[tuple[str, ...], np.ndarray]:
    """What gets a colour of its own: labels, and the index of each note's label, int, shape (notes,).

    The parts; of a score with one part on two staves, the staves.
    """
    if len(score.parts) == 1 and set(np.unique(score.notes["staff"]).tolist()) == {1, 2}:
        name = score.parts[0].name or "Part 1"
        return (f"{name} · upper staff", f"{name} · lower staff"), score.notes["staff"].astype(np.int64) - 1
    labels = tuple(part.name or f"Part {number}" for number, part in enumerate(score.parts, 1))
    return labels, score.notes["part"].astype(np.int64)

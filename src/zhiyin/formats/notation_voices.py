"""From the notes of one part to lines: sequences of chords that never overlap, as notation needs them.

Voices that the score gives are kept; notes without one are separated here, staff by staff, up to four lines each
(past that, notes are cut short). Times are ticks of ``notation.RESOLUTION``. Knows nothing about XML.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

MAX_LINES = 4


@dataclass(slots=True)
class Chord:
    """Notes (rows of the part's table) that start and end together."""

    start: int
    end: int
    notes: list[int]
    top: int


@dataclass(slots=True)
class Line:
    """One voice: chords in order of time; ``number`` as written in the file, ``staff`` its home."""

    number: int
    staff: int
    given: bool
    chords: list[Chord] = field(default_factory=list)


def lines_of_part(
    start: np.ndarray, end: np.ndarray, pitch: np.ndarray, voice: np.ndarray, staff: np.ndarray, *, most: int = MAX_LINES
) -> list[Line]:
    """Lines of a part from columns of shape (notes,): times, pitches, given voices (0 = none) and staves (1..).

    most: lines of a staff, past which notes are cut short.
    """
    cross = _voices_on_two_staves(start, end, voice, staff)
    keys: dict[tuple[int, int], list[int]] = {}
    for i in range(len(start)):
        v, s = int(voice[i]), int(staff[i])
        keys.setdefault((v, 0 if v and not cross else s), []).append(i)
    lines: list[Line] = []
    loose: dict[int, list[Chord]] = {}
    taken: set[int] = set()
    for (v, _), rows in sorted(keys.items(), key=lambda k: (k[0][0] == 0, k[0])):
        chords = _chords(rows, start, end, pitch)
        home = Counter(int(staff[i]) for i in rows).most_common(1)[0][0]
        if v == 0:
            loose.setdefault(home, []).extend(chords)
            continue
        kept, left = _without_overlap(chords)
        number = v if v not in taken else _free_number(taken, home)
        taken.add(number)
        lines.append(Line(number, home, True, kept))
        for chord in left:
            loose.setdefault(int(staff[chord.notes[0]]), []).append(chord)
    for home, chords in sorted(loose.items()):
        room = max(1, most - sum(line.staff == home for line in lines))
        for separated in separate(chords, room):
            number = _free_number(taken, home)
            taken.add(number)
            lines.append(Line(number, home, False, separated))
    return sorted(lines, key=lambda line: (line.staff, line.number))


def _free_number(taken: set[int], staff: int) -> int:
    first = 4 * (staff - 1) + 1
    return next(n for n in range(first, first + len(taken) + 1) if n not in taken)


def _voices_on_two_staves(start: np.ndarray, end: np.ndarray, voice: np.ndarray, staff: np.ndarray) -> bool:
    """Whether one voice number names different lines on two staves (its notes overlap across the staves)."""
    for v in np.unique(voice[voice > 0]):
        rows = np.flatnonzero(voice == v)
        if len(np.unique(staff[rows])) < 2:
            continue
        rows = rows[np.argsort(start[rows], kind="stable")]
        clash = (start[rows][1:] < end[rows][:-1]) & (staff[rows][1:] != staff[rows][:-1])
        same = (start[rows][1:] == start[rows][:-1]) & (end[rows][1:] == end[rows][:-1])
        if (clash & ~same).any():
            return True
    return False


def _chords(rows: Iterable[int], start: np.ndarray, end: np.ndarray, pitch: np.ndarray) -> list[Chord]:
    found: dict[tuple[int, int], Chord] = {}
    for i in sorted(rows, key=lambda i: (int(start[i]), -int(end[i]), int(pitch[i]))):
        chord = found.setdefault((int(start[i]), int(end[i])), Chord(int(start[i]), int(end[i]), [], 0))
        chord.notes.append(i)
        chord.top = int(pitch[i])
    return list(found.values())


def _without_overlap(chords: list[Chord]) -> tuple[list[Chord], list[Chord]]:
    kept: list[Chord] = []
    left: list[Chord] = []
    free = -1
    for chord in sorted(chords, key=lambda c: (c.start, -c.top)):
        if chord.start < free:
            left.append(chord)
            continue
        kept.append(chord)
        free = chord.end
    return kept, left


def separate(chords: list[Chord], room: int = MAX_LINES) -> list[list[Chord]]:
    """Up to ``room`` lines without overlaps, the upper lines first; where more sound at once, chords are cut short."""
    lines: list[list[Chord]] = [[] for _ in range(room)]
    ordered = sorted(chords, key=lambda c: (c.start, -c.top))
    first = 0
    while first < len(ordered):
        last, free = first + 1, ordered[first].end
        while last < len(ordered) and ordered[last].start < free:
            free = max(free, ordered[last].end)
            last += 1
        knot = _colour(ordered[first:last], room)
        for line, part in zip(lines, knot):
            line.extend(part)
        first = last
    return [line for line in lines if line] or [[]]


def _colour(knot: list[Chord], room: int) -> list[list[Chord]]:
    """One knot of overlapping chords as lines, by nearness in pitch, upper lines first."""
    lines: list[list[Chord]] = []
    for chord in knot:
        free = [line for line in lines if line[-1].end <= chord.start]
        if free:
            min(free, key=lambda line: abs(line[-1].top - chord.top)).append(chord)
        elif len(lines) < room:
            lines.append([chord])
        else:
            _squeeze(lines, chord)
    weight = [sum(c.top * (c.end - c.start) for c in line) / sum(c.end - c.start for c in line) for line in lines]
    return [lines[i] for i in sorted(range(len(lines)), key=lambda i: -weight[i])]


def _squeeze(lines: list[list[Chord]], chord: Chord) -> None:
    """No line is free: the chord that ends first is cut, or takes the new notes in where it starts with them."""
    line = min(lines, key=lambda line: (line[-1].start == chord.start, line[-1].end))
    if line[-1].start == chord.start:
        line[-1].notes += chord.notes
        line[-1].top = max(line[-1].top, chord.top)
    else:
        line[-1].end = chord.start
        line.append(chord)

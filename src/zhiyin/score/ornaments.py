"""Ornament signs as sound: trills, mordents, turns, rolls and arpeggios written out as notes. Knows no file format.

One rule set, after C. P. E. Bach (Versuch über die wahre Art das Clavier zu spielen, Berlin 1753, chapter 2), for music of all
times: ornaments start on the beat and take their time from the note they stand at; a trill starts on the upper note,
and a long one closes with a suffix through the lower note unless grace notes write it out; neighbours are those of the
scale, which is the key signature's as changed by what else sounds in the bar, and the leading note below a minor tonic.
Our own addition: a trill starts on its main note when the note before was the upper one already. Later practice, which
begins trills on the main note (Hummel 1828), is not followed. Arpeggios rise from the beat. Trills run at about 13 notes a
second, as pianists play them (Moore 1992). Grace notes are not touched here: they stand in the score as notes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zhiyin.score.score import UNKNOWN_KEY, UNSPELLED, Mark, Score

TRILL_SECONDS = 0.076  # of one note of a trill
SHAKE_SECONDS = 0.07  # of one note of a mordent or turn
ARPEGGIO_SECONDS = 0.035  # between two notes of an arpeggio
SUFFIX_SECONDS = 0.6  # trills from this length on close with a suffix
MOST_NOTES = 512  # of one trill
ARPEGGIOS = ("arpeggio", "arpeggiate")
SIGNS = frozenset(
    ["trill", "mordent", "inverted-mordent", "turn", "inverted-turn", "delayed-turn", "delayed-inverted-turn", "roll"]
)


def rows_at(score: Score, mark: Mark) -> np.ndarray:
    """Rows of the notes that a mark stands at: its onset, and its part, voice, staff and pitch where it names them."""
    a, b = np.searchsorted(score.notes["onset"], [mark.onset, mark.onset + 1])
    here = score.notes[a:b]
    hit = np.ones(len(here), dtype=bool)
    for column, absent in (("part", -1), ("voice", 0), ("staff", 0), ("pitch", -1)):
        wanted = getattr(mark, column)
        if wanted != absent:
            hit &= here[column] == wanted
    return a + np.flatnonzero(hit)


def realise(score: Score) -> Score:
    """The score with its ornament signs played out; itself where it has none. Marks and bars stay.

    Times are meant as played at the score's own tempo; a repeat should be unfolded before. A note too short for its
    ornament keeps as much of it as fits, at the least one neighbour.
    """
    signs = [m for m in score.marks if m.kind == "ornament" and m.value in SIGNS]
    spread = [m for m in score.marks if m.kind in ("articulation", "ornament") and m.value in ARPEGGIOS]
    if not len(score.notes) or not (signs or spread):
        return score
    notes = _arpeggios(score, spread)
    made: dict[int, np.ndarray] = {}
    scale = _Scale(score)
    for mark in signs:
        rows = [i for i in rows_at(score, mark).tolist() if _ornamentable(score, i)]
        if rows:
            row = max(rows, key=lambda i: int(score.notes["pitch"][i]))
            figure = _played(score, scale, row, mark.value)
            if row not in made and len(figure) > 1:
                made[row] = _as_notes(notes[row], figure)
    kept = np.ones(len(notes), dtype=bool)
    kept[list(made)] = False
    return score.replace(notes=np.concatenate([notes[kept], *made.values()]))


def _ornamentable(score: Score, row: int) -> bool:
    note = score.notes[row]
    return not note["grace"] and not score.parts[note["part"]].drums and 0 < note["pitch"] < 126


def _per_second(score: Score, onset: int) -> float:
    """Ticks of a second at an onset."""
    table = score.tempo_map()
    qpm = table[max(int(np.searchsorted(table[:, 0], onset, side="right")) - 1, 0), 1]
    return float(qpm) / 60 * score.ticks_per_quarter


def _played(score: Score, scale: _Scale, row: int, sign: str) -> list[tuple[int, int]]:
    """(ticks, semitones from the written pitch) of the notes that are played, filling the note's duration."""
    duration = int(score.notes["duration"][row])
    up, down = scale.steps(row)
    per_second = _per_second(score, int(score.notes["onset"][row]))
    if sign == "trill":
        suffix = (-down, 0) if duration >= SUFFIX_SECONDS * per_second and not scale.closes_in_graces(row) else ()
        return _trill(duration, per_second, up, suffix, upper_first=not scale.comes_from_above(row, up))
    figure = {
        "mordent": (0, -down), "inverted-mordent": (0, up), "roll": (0, up, 0, -down),
        "turn": (up, 0, -down), "inverted-turn": (-down, 0, up),
        "delayed-turn": (up, 0, -down), "delayed-inverted-turn": (-down, 0, up),
    }[sign]  # fmt: skip
    delayed = sign.startswith("delayed")
    each = min(round(SHAKE_SECONDS * per_second), duration // ((len(figure) + 1) * (2 if delayed else 1)))
    if each < 1:
        return []
    turned = [(each, step) for step in figure]
    if delayed:  # the written note, the turn in its last moments, the written note again
        return [(duration - each * (len(figure) + 1), 0), *turned, (each, 0)]
    return [*turned, (duration - each * len(figure), 0)]


def _trill(
    duration: int, per_second: float, up: int, suffix: tuple[int, ...], *, upper_first: bool
) -> list[tuple[int, int]]:
    each = max(round(TRILL_SECONDS * per_second), 1)
    count = min(max(duration // each, 2), MOST_NOTES)
    if upper_first == bool(count % 2):  # it has to end on the written note
        count = max(count - 1, 2 if upper_first else 3)
    if count > duration:
        return []
    first = (up, 0) if upper_first else (0, up)
    steps = [first[k % 2] for k in range(count)]
    if suffix and count > 5:
        steps[-len(suffix) :] = suffix
    edges = [duration * k // count for k in range(count + 1)]
    return [(b - a, step) for a, b, step in zip(edges, edges[1:], steps)]


def _as_notes(note: np.void, figure: Sequence[tuple[int, int]]) -> np.ndarray:
    out = np.repeat(np.array([note]), len(figure))
    lengths, steps = np.array(figure).T
    out["onset"] = note["onset"] + np.r_[0, np.cumsum(lengths)[:-1]]
    out["duration"] = lengths
    out["pitch"] = note["pitch"] + steps
    out["spelling"] = np.where(steps == 0, note["spelling"], UNSPELLED)
    return out


def _arpeggios(score: Score, marks: Sequence[Mark]) -> np.ndarray:
    """The notes (n,) with arpeggiated chords spread upwards from the beat; their ends stay."""
    notes = score.notes.copy()
    chords: dict[tuple[int, int], set[int]] = {}
    for mark in marks:
        for row in rows_at(score, mark).tolist():
            if not notes["grace"][row]:
                chords.setdefault((mark.onset, int(notes["part"][row])), set()).add(row)
    for (onset, _), rows in chords.items():
        ordered = sorted(rows, key=lambda i: int(notes["pitch"][i]))
        shortest = min(int(score.notes["duration"][i]) for i in ordered)
        each = min(round(ARPEGGIO_SECONDS * _per_second(score, onset)), shortest // (2 * len(ordered)))
        for place, row in enumerate(ordered):
            notes["onset"][row] += place * each
            notes["duration"][row] -= place * each
    return notes


class _Scale:
    """The neighbours of notes: what the key signature has, as the bar's own notes change it."""

    def __init__(self, score: Score) -> None:
        self.score = score
        self.bar = score.bar_of(score.notes["onset"])
        self.drums = score.drums

    def steps(self, row: int) -> tuple[int, int]:
        """Semitones (up, down) from a note to its neighbours: 1 or 2 each."""
        pitch, bar = int(self.score.notes["pitch"][row]), self.score.bars[self.bar[row]]
        fifths = 0 if bar["key"] == UNKNOWN_KEY else int(bar["key"])
        heard = self._pitch_classes_of_the_bar(row)
        scale = {(7 * (fifths + k)) % 12 for k in range(-1, 6)}
        if bar["mode"] == 1 and pitch % 12 == (7 * fifths + 9) % 12:
            scale.add((pitch - 1) % 12)  # the leading note below a minor tonic
        return self._step(pitch, 1, scale, heard), self._step(pitch, -1, scale, heard)

    def _step(self, pitch: int, way: int, scale: set[int], heard: set[int]) -> int:
        near, far = (pitch + way) % 12, (pitch + 2 * way) % 12
        if (near in heard) != (far in heard):  # the bar itself shows which of the two it has
            return 1 if near in heard else 2
        return 1 if near in scale else 2

    def _pitch_classes_of_the_bar(self, row: int) -> set[int]:
        """Pitch classes that sound in the note's bar, pitched parts only."""
        first, last = np.searchsorted(self.bar, [self.bar[row], self.bar[row] + 1])
        notes = self.score.notes[first:last]
        return set((notes["pitch"][~self.drums[notes["part"]]] % 12).tolist())

    def closes_in_graces(self, row: int) -> bool:
        """Whether grace notes of the same part stand where the note ends: a suffix that is written out."""
        notes, note = self.score.notes, self.score.notes[row]
        end = int(note["onset"]) + int(note["duration"])
        here = notes[slice(*np.searchsorted(notes["onset"], [end, end + 1]))]
        return bool((here["grace"] & (here["part"] == note["part"])).any())

    def comes_from_above(self, row: int, up: int) -> bool:
        """Whether the last note before in the same part and voice is the upper neighbour of this one."""
        notes, note = self.score.notes, self.score.notes[row]
        before = notes[max(row - 64, 0) : row]
        same = (before["part"] == note["part"]) & (before["voice"] == note["voice"]) & (before["onset"] < note["onset"])
        return bool(same.any()) and int(before["pitch"][same][-1]) == int(note["pitch"]) + up

"""Voice leading between lines: parallel and direct fifths and octaves, crossings, overlaps, wide gaps, leading notes left hanging.

A line is a part that mostly sounds one note at a time, a voice of a part whose voices are written out, or the highest and the
lowest sounding notes of a part that plays chords. The rules are those of the textbooks (Fux 1725; Piston, Harmony; Aldwell &
Schachter, Harmony and Voice Leading); good composers break them at a rate, so read a rate beside that of human pieces.
Pure functions on a ``Score``: ``parallels(score)`` … return findings with their places, ``counterpoint`` all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from zhiyin.measures.key import find_key, tonic_of
from zhiyin.measures.surface import read_surface
from zhiyin.score import UNKNOWN_KEY, Score

KINDS = (
    "parallel fifths", "parallel octaves", "direct fifths", "direct octaves", "crossing", "overlap", "gap", "leading note",
)  # fmt: skip
DOUBLED = 4  # that many octaves or unisons in a row between two lines are a doubling, not a fault
_CHORDS = 0.1  # share of notes that sound with another of their part from which the part plays chords
_ARTICULATION = 0.25  # quarters: a shorter silence before the next note does not part two moments
_GAP = 12  # semitones between neighbouring upper lines


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of a rule. bar: number as printed; onset: ticks; parts: indices of the parts of its lines, the higher first."""

    kind: str
    bar: int
    onset: int
    parts: tuple[int, ...]
    detail: str


@dataclass(frozen=True)
class Line:
    """A melodic line: the part that it belongs to; onset, end (ticks) and pitch of its notes, (notes,), one at a time, in order."""

    part: int
    onset: np.ndarray
    end: np.ndarray
    pitch: np.ndarray

    @property
    def height(self) -> float:
        """Mean pitch, by sounding time."""
        return float(np.average(self.pitch, weights=np.maximum(self.end - self.onset, 1)))

    def sounding(self, times: np.ndarray) -> np.ndarray:
        """Pitch that sounds at each of ``times`` (ticks), -1 for none."""
        at = np.searchsorted(self.onset, times, side="right") - 1
        return np.where((at >= 0) & (times < self.end[at]), self.pitch[at], -1)


def counterpoint(score: Score) -> tuple[Finding, ...]:
    """All findings of a score in order of time."""
    lines = voice_lines(score)
    found = [*_parallels(score, lines), *_direct(score, lines), *_neighbours(score, lines), *_leading_notes(score, lines)]
    return tuple(sorted(found, key=lambda f: (f.onset, f.parts, f.kind)))


def parallels(score: Score) -> list[Finding]:
    """Parallel fifths and octaves: two lines move in the same direction from one to another of the same size (octaves include unisons)."""
    return _parallels(score, voice_lines(score))


def direct_motion(score: Score) -> list[Finding]:
    """Direct (hidden) fifths and octaves: the outer lines move the same way into one, and the upper line leaps."""
    return _direct(score, voice_lines(score))


def crossings(score: Score) -> list[Finding]:
    """Crossings (a line sounds below its lower neighbour), overlaps (it moves past where the neighbour just was), gaps (upper lines
    more than an octave apart). Neighbours are lines next to each other by mean pitch. A stretch without a break counts once.
    """
    return _neighbours(score, voice_lines(score))


def leading_notes(score: Score) -> list[Finding]:
    """Leading notes that do not rise to the tonic: where the harmony goes from the dominant to the tonic, or before a rest or the end."""
    return _leading_notes(score, voice_lines(score))


def count_kinds(findings: Iterable[Finding]) -> dict[str, int]:
    """Number of findings of each kind, every one of ``KINDS`` named."""
    counts = Counter(f.kind for f in findings)
    return {kind: counts[kind] for kind in KINDS}


def voice_lines(score: Score) -> list[Line]:
    """The lines of a score's pitched parts, highest part first as in the score; grace notes are left out."""
    out: list[Line] = []
    for p, part in enumerate(score.parts):
        notes = score.notes[(score.notes["part"] == p) & ~score.notes["grace"] & (score.notes["duration"] > 0)]
        if part.drums or not len(notes):
            continue
        groups = _written_voices(notes, score) or [notes]
        out += [line for group in groups for line in _lines_of(p, group, score, split=len(groups) == 1)]
    return out


def _written_voices(notes: np.ndarray, score: Score) -> list[np.ndarray]:
    """The notes of each voice, where a part's voices are all single lines that sound in at least half of the bars."""
    names = notes["staff"].astype(int) * 256 + notes["voice"]
    kinds = np.unique(names)
    groups = [notes[names == k] for k in kinds]
    whole = [len(np.unique(score.bar_of(g["onset"]))) * 2 >= len(score.bars) and _overlapping(g) < _CHORDS for g in groups]
    return groups if len(kinds) > 1 and all(whole) else []


def _overlapping(notes: np.ndarray) -> float:
    """Share of the notes that begin while another one of them sounds."""
    end = np.maximum.accumulate(notes["onset"].astype(np.int64) + notes["duration"])
    return float((notes["onset"][1:] < end[:-1]).mean()) if len(notes) > 1 else 0.0


def _lines_of(part: int, notes: np.ndarray, score: Score, split: bool) -> list[Line]:
    """One line, or the outer two of a part that plays chords."""
    overlap = _overlapping(notes)
    if overlap == 0:
        return [_joined(part, notes["onset"], notes["onset"].astype(np.int64) + notes["duration"], notes["pitch"], score)]
    slices = read_surface(notes, score.bars, np.zeros(len(score.parts), dtype=bool), score.ticks_per_quarter).slices
    some = slices.sounding > 0
    start, end = slices.start[some].astype(np.int64), (slices.start + slices.length)[some].astype(np.int64)
    outer = (slices.high, slices.low) if split and overlap >= _CHORDS else (slices.high,)
    return [_joined(part, start, end, pitch[some], score) for pitch in outer]


def _joined(part: int, onset: np.ndarray, end: np.ndarray, pitch: np.ndarray, score: Score) -> Line:
    """A line whose short silences are closed and whose slices of one pitch are one note."""
    onset, end, pitch = onset.astype(np.int64), end.astype(np.int64), pitch.astype(np.int64)
    after = np.append(onset[1:], end[-1:])
    end = np.where(after - end <= _ARTICULATION * score.ticks_per_quarter, after, end)
    fresh = np.append(True, (pitch[1:] != pitch[:-1]) | (onset[1:] != end[:-1]))
    starts = np.flatnonzero(fresh)
    return Line(part, onset[starts], end[np.append(starts[1:], len(onset)) - 1], pitch[starts])


def _moments(a: Line, b: Line) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(times, pitch of a, pitch of b) at every time at which one of two lines changes."""
    times = np.unique(np.concatenate([a.onset, a.end, b.onset, b.end]))
    return times, a.sounding(times), b.sounding(times)


def _both_move(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Whether both lines sound before and after each step and move in the same direction; bool (moments - 1,)."""
    heard = (p[:-1] >= 0) & (p[1:] >= 0) & (q[:-1] >= 0) & (q[1:] >= 0)
    return heard & (np.sign(p[1:] - p[:-1]) * np.sign(q[1:] - q[:-1]) > 0)


def _parallels(score: Score, lines: Sequence[Line]) -> list[Finding]:
    out: list[Finding] = []
    for a, b in combinations(_by_height(lines), 2):
        moments = _moments(a, b)
        _, p, q = moments
        moves, size = _both_move(p, q), np.abs(p - q) % 12
        for kind, interval in (("parallel fifths", 7), ("parallel octaves", 0)):
            hit = moves & (size[:-1] == interval) & (size[1:] == interval)
            if interval == 0:
                hit &= ~_doubling(p, q, size)
            out += _at_steps(score, kind, hit, (a, b), moments)
    return out


def _doubling(p: np.ndarray, q: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Steps that belong to a run of ``DOUBLED`` or more moments in octaves or unisons; bool (moments - 1,)."""
    octave = (p >= 0) & (q >= 0) & (size == 0)
    edges = np.flatnonzero(np.diff(np.r_[False, octave, False].astype(int)))
    inside = np.zeros(len(p), dtype=bool)
    for first, last in zip(edges[::2], edges[1::2]):
        inside[first:last] = last - first >= DOUBLED
    return inside[1:] & inside[:-1]


def _direct(score: Score, lines: Sequence[Line]) -> list[Finding]:
    ordered = _by_height(lines)
    if len(ordered) < 2:
        return []
    a, b = ordered[0], ordered[-1]
    moments = _moments(a, b)
    _, p, q = moments
    size = np.abs(p - q) % 12
    leaps = _both_move(p, q) & (np.abs(p[1:] - p[:-1]) > 2)
    out: list[Finding] = []
    for kind, interval in (("direct fifths", 7), ("direct octaves", 0)):
        hit = leaps & (size[1:] == interval) & (size[:-1] != interval)
        out += _at_steps(score, kind, hit, (a, b), moments)
    return out


def _neighbours(score: Score, lines: Sequence[Line]) -> list[Finding]:
    ordered = _by_height(lines)
    out: list[Finding] = []
    for i, (a, b) in enumerate(zip(ordered, ordered[1:])):
        times, p, q = _moments(a, b)
        both = (p >= 0) & (q >= 0)
        past = np.zeros(len(p), dtype=bool)  # one line moves past the note that the other just left
        past[1:] = both[1:] & both[:-1] & (p[1:] >= q[1:]) & ((p[1:] < q[:-1]) | (q[1:] > p[:-1]))
        apart = both & (p - q > _GAP) & (i + 2 < len(ordered))
        for kind, where in (("crossing", both & (p < q)), ("overlap", past), ("gap", apart)):
            starts = np.flatnonzero(where & ~np.r_[False, where[:-1]])
            out += [_finding(score, kind, int(times[s]), (a, b), f"{p[s]} over {q[s]}") for s in starts]
    return out


def _leading_notes(score: Score, lines: Sequence[Line]) -> list[Finding]:
    if not lines:
        return []
    tonic, mode = _keys(score)
    triads = (frozenset((0, 4, 7)), frozenset((0, 3, 7)))
    out: list[Finding] = []
    for line in lines:
        bar = score.bar_of(line.onset)
        for i in np.flatnonzero((line.pitch - tonic[bar]) % 12 == 11):
            home, end = int(tonic[bar[i]]), int(line.end[i])
            after = i + 1 < len(line.pitch) and line.onset[i + 1] - end < score.ticks_per_quarter
            if after and line.pitch[i + 1] == line.pitch[i] + 1:
                continue
            heard = _chord(lines, int(line.onset[i + 1]), home) if after else []
            resolves = after and len(lines) > 1 and heard[:1] == [0] and set(heard) <= triads[mode[bar[i]]]
            if not after or (resolves and _dominant(lines, end - 1, home)):
                text = f"{line.pitch[i]} to {line.pitch[i + 1]}" if after else f"{line.pitch[i]} before a rest"
                out.append(_finding(score, "leading note", int(line.onset[i]), (line,), text))
    return out


def _keys(score: Score) -> tuple[np.ndarray, np.ndarray]:
    """Tonic and mode of each bar: as stated, else the key that is found for the piece."""
    key, mode = score.bars["key"].astype(int), score.bars["mode"].astype(int)
    known = (key != UNKNOWN_KEY) & (mode >= 0)
    if not known.all():
        found = find_key(score)
        key, mode = np.where(known, key, found.fifths), np.where(known, mode, found.mode)
    return np.array([tonic_of(k, m) for k, m in zip(key.tolist(), mode.tolist())]), mode


def _chord(lines: Sequence[Line], time: int, tonic: int) -> list[int]:
    """Degrees (semitones above the tonic) that the lines sound at a time, from the bass up."""
    at = np.array([time])
    pitches = sorted(int(p) for line in lines if (p := line.sounding(at)[0]) >= 0)
    return [(p - tonic) % 12 for p in pitches]


def _dominant(lines: Sequence[Line], time: int, tonic: int) -> bool:
    """Whether the harmony is the dominant's: leading note with the fifth, second or fourth degree, and no tonic."""
    heard = set(_chord(lines, time, tonic))
    return 11 in heard and bool(heard & {7, 2, 5}) and 0 not in heard


def _by_height(lines: Sequence[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: -line.height)


def _at_steps(
    score: Score, kind: str, hit: np.ndarray, pair: tuple[Line, Line], moments: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> list[Finding]:
    """A finding for each step between two moments that ``hit`` marks; bool (moments - 1,)."""
    times, p, q = moments
    return [
        _finding(score, kind, int(times[i + 1]), pair, f"{p[i]}/{q[i]} to {p[i + 1]}/{q[i + 1]}") for i in np.flatnonzero(hit).tolist()
    ]


def _finding(score: Score, kind: str, onset: int, lines: tuple[Line, ...], detail: str) -> Finding:
    return Finding(kind, score.bar_number(onset), onset, tuple(line.part for line in lines), detail)

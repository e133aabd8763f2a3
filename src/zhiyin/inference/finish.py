"""From written rows to a finished score: notes, title, tempo word, dynamics by section, final barline.

Nothing here samples; the same rows and brief give the same score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zhiyin.encoding import EncodedPiece, decode
from zhiyin.encoding.fields import STEPS_PER_QUARTER
from zhiyin.inference.brief import Brief, beat_quarters
from zhiyin.inference.chart import Span
from zhiyin.inference.instruments import VOICE
from zhiyin.inference.masks import cadence_chord
from zhiyin.inference.plan import Plan
from zhiyin.measures.chord_symbol import chord_name
from zhiyin.score import Mark, Score
from zhiyin.score.dynamics import LEVELS, marks_to_velocity

_LADDER = ("pp", "p", "mp", "mf", "f", "ff")
JOIN = STEPS_PER_QUARTER // 2  # gap in steps that sung and lone lines hold over
_FERMATA_BELOW = 84.0  # beats a minute under which the last note gets a fermata


def finish(rows: np.ndarray, plan: Plan, brief: Brief) -> Score:
    """The score of a brief's rows (int (R, 6)): exact tempo, names, marks and velocities. 24 ticks a quarter."""
    programs = np.array([p.program for p in brief.parts], dtype=np.uint8)
    score = decode(EncodedPiece(rows, plan.bars, programs, plan.controls), brief.names)
    bars = score.bars.copy()
    bars["tempo_qpm"] = round(brief.tempo_qpm, 2)
    notes = one_at_a_time(score.notes, [p.single for p in brief.parts])
    notes = joined(notes, [p.program == VOICE or (p.single and len(brief.parts) == 1) for p in brief.parts])
    marks = [
        Mark(0, "tempo", f"{brief.tempo_word} ={brief.tempo_qpm:g}"),
        *dynamics(score, brief),
        Mark(int(bars["onset"][-1] + bars["duration"][-1]), "barline", "final"),
    ]
    if brief.tempo_qpm / beat_quarters(brief.meter) < _FERMATA_BELOW:
        marks += fermatas(notes, int(bars["onset"][-1]))
    metadata = {"title": brief.title, "style": brief.style}
    score = score.replace(notes=notes, bars=bars, marks=tuple(marks), timing="notated", metadata=metadata)
    return marks_to_velocity(score)


def with_symbols(score: Score, spans: Sequence[Span], brief: Brief) -> Score:
    """The score with the chords of a chart over its first part, each where it begins; over the last bar the chord that it closes on."""
    root, classes = cadence_chord(brief.key, brief.sections[-1].cadence)
    last = len(score.bars) - 1
    chart = [s.chord for s in spans if s.bar == last]
    close = chord_name(root, "m" if (classes[1] - root) % 12 == 3 else "", None, brief.key.fifths)
    close = chart[-1].symbol if chart and chart[-1] and chart[-1].root == root else close
    placed = [(s.bar, s.begin, s.chord.symbol if s.chord else "N.C.") for s in spans if s.bar < last] + [(last, 0, close)]
    marks, before = [], "N.C."
    for bar, begin, symbol in placed:
        if symbol != before:
            marks.append(Mark(int(score.bars["onset"][bar]) + begin, "chord", symbol, 0))
        before = symbol
    return score.replace(marks=(*score.marks, *marks))


def one_at_a_time(notes: np.ndarray, single: list[bool]) -> np.ndarray:
    """Notes of parts that sound one note at a time, each cut where the next begins."""
    notes = notes.copy()
    for part, alone in enumerate(single):
        at = np.flatnonzero(notes["part"] == part)
        if not alone or len(at) < 2:
            continue
        gap = np.diff(notes["onset"][at])
        notes["duration"][at[:-1]] = np.where(
            gap > 0, np.minimum(notes["duration"][at[:-1]], gap), notes["duration"][at[:-1]]
        )
    return notes


def joined(notes: np.ndarray, lines: list[bool]) -> np.ndarray:
    """Notes of sung and lone lines held over gaps of up to an eighth note (nobody breathes so often)."""
    notes = notes.copy()
    for part, line in enumerate(lines):
        at = np.flatnonzero(notes["part"] == part)
        if not line or len(at) < 2:
            continue
        gap = np.diff(notes["onset"][at]) - notes["duration"][at[:-1]]
        notes["duration"][at[:-1]] += np.where((gap > 0) & (gap <= JOIN), gap, 0)
    return notes


def dynamics(score: Score, brief: Brief) -> list[Mark]:
    """A dynamic at each section that changes it, a hairpin into the last section, and a softer end of quiet pieces."""
    levels = section_levels(brief)
    bars = score.bars
    marks: list[Mark] = []
    for i, (section, level) in enumerate(zip(brief.sections, levels)):
        onset = int(bars["onset"][section.first])
        if i == 0 or level != levels[i - 1]:
            marks.append(Mark(onset, "dynamic", _LADDER[level]))
        if i + 1 < len(levels) and levels[i + 1] != level and section.bars >= 4:
            begin = int(bars["onset"][section.last - 1])
            kind = "crescendo" if levels[i + 1] > level else "diminuendo"
            marks.append(Mark(begin, "hairpin", kind, end=int(bars["onset"][section.last + 1])))
    last = brief.sections[-1]
    if last.bars >= 6 and LEVELS[brief.dynamic] <= LEVELS["mp"]:
        begin, end = int(bars["onset"][last.last - 1]), int(bars["onset"][last.last])
        marks.append(Mark(begin, "hairpin", "diminuendo", end=end))
        marks.append(Mark(end, "dynamic", _LADDER[max(levels[-1] - 1, 0)]))
    return marks


def section_levels(brief: Brief) -> list[int]:
    """Step of the ladder of dynamics for each section: contrast in new letters, the climax in the last return."""
    base = _LADDER.index(brief.dynamic)
    letters = [s.letter for s in brief.sections]
    out: list[int] = []
    for i, letter in enumerate(letters):
        step = 0 if letter == "A" else -1 if LEVELS[brief.dynamic] >= LEVELS["mf"] else 1
        if i == len(letters) - 1 and len(letters) > 2:
            step = 1
        out.append(int(np.clip(base + step, 0, len(_LADDER) - 1)))
    return out


def fermatas(notes: np.ndarray, onset: int) -> list[Mark]:
    """A fermata on the top note of each part at ``onset`` (ticks)."""
    marks: list[Mark] = []
    for part in np.unique(notes["part"][notes["onset"] == onset]):
        here = notes[(notes["onset"] == onset) & (notes["part"] == part)]
        marks.append(Mark(onset, "fermata", part=int(part), pitch=int(here["pitch"].max())))
    return marks


def seconds_of(score: Score) -> float:
    """Length of a score to the end of its last bar, in seconds."""
    return float(score.seconds(score.end))


def steps_of_bar(brief: Brief) -> int:
    """Length of a bar in steps of the encoding."""
    return round(STEPS_PER_QUARTER * brief.quarters_per_bar)

"""Played-in music made readable for a lead sheet: on the beat, on the grid of rows, its tune in note values that people read.

A tune's notes go to sixteenths, or in beats that hold triplets to those; short gaps between notes are closed. Notated scores
are left as they are. What is changed is said.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from zhiyin.encoding.fields import STEPS_PER_QUARTER
from zhiyin.encoding.quantize import quantize, quantize_words
from zhiyin.score import Score

SIXTEENTH, TRIPLET = STEPS_PER_QUARTER // 4, STEPS_PER_QUARTER // 3
CLOSED = STEPS_PER_QUARTER // 2  # gaps shorter than an eighth are how a note is released, not a rest
_AGREED = 0.6  # how much the onsets agree on where in a sixteenth they lie (resultant length, 0..1) from which it is their beat
_OFF = 1 / 12  # of a sixteenth: less is no other beat
_CLEARLY = 1.5  # times as many notes as on the written beat
_TRIPLETS = 0.5  # a beat holds triplets where they miss its onsets by less than this share of what sixteenths do


@dataclass(frozen=True)
class Beaten:
    """Music brought to its beat and grid. score: 24 ticks a quarter where it was played in. said: what was done, in words."""

    score: Score
    played: bool
    said: tuple[str, ...] = ()


def on_beat(score: Score) -> Beaten:
    """Played-in music (timing other than ``notated``) shifted to its own beat and quantized, in one tempo."""
    if score.timing == "notated":
        return Beaten(score, False)
    shift, said = _late(score), []
    if shift:
        notes = score.notes.copy()
        notes["onset"] = np.maximum(notes["onset"] - shift, 0)
        score = score.replace(notes=np.sort(notes, order=["onset", "part", "pitch"], kind="stable"))
        said.append(f"played-in music, {abs(shift) / score.ticks_per_quarter:.2g} quarters {'behind' if shift > 0 else 'before'} its beat: brought to it")
    grid, report = quantize(score)
    bars = grid.bars.copy()
    given = bars["tempo_qpm"][bars["tempo_qpm"] > 0]
    bars["tempo_qpm"] = np.median(given) if len(given) else 0.0
    told = quantize_words(asdict(report))
    marks = tuple(m for m in grid.marks if m.kind != "tempo")
    return Beaten(grid.replace(bars=bars, marks=marks), True, (*said, *(["quantized: " + ", ".join(told)] if told else [])))


def _late(score: Score) -> int:
    """Ticks by which the onsets lie behind the beat, where they agree on it, less than half a quarter; 0 for on it.

    They agree on where in a sixteenth they lie, or nothing is done; of the four sixteenths of a quarter the beat is that on which most
    notes begin, the written one unless another has clearly more.
    """
    unit, onset = score.ticks_per_quarter / 4, score.notes["onset"].astype(np.float64)
    turn = np.exp(2j * np.pi * onset / unit).mean()
    if abs(turn) < _AGREED:
        return 0
    late = float(np.angle(turn)) / (2 * np.pi)
    late = late if abs(late) > _OFF else 0.0
    counts = np.bincount(np.rint(onset / unit - late).astype(np.int64) % 4, minlength=4)
    beat = int(counts.argmax())
    if counts[beat] > _CLEARLY * counts[0]:
        late += (0, 1, 2, -1)[beat]
    return round(late * unit)


def in_note_values(notes: np.ndarray) -> tuple[np.ndarray, str]:
    """Notes of one line, on the grid of rows, in sixteenths and triplets; and what was left out, in words ("" nothing)."""
    onset = notes["onset"].astype(np.int64)
    unit = _units(onset)
    begin = np.rint(onset / unit).astype(np.int64) * unit
    end = np.rint((onset + notes["duration"]) / unit).astype(np.int64) * unit
    order = np.lexsort((-notes["duration"].astype(np.int64), begin))
    kept = order[np.r_[True, np.diff(begin[order]) > 0]] if len(order) else order
    begin, end, unit, notes = begin[kept], np.maximum(end[kept], begin[kept] + unit[kept]), unit[kept], notes[kept].copy()
    following = np.r_[begin[1:], end[-1:]]
    end = np.where((following - end < CLOSED) | (end > following), following, end)
    notes["onset"], notes["duration"] = begin, end - begin
    lost = len(onset) - len(kept)
    return notes, f"{lost} note{'s' * (lost > 1)} too short for a lead sheet left out" if lost else ""


def _units(onset: np.ndarray) -> np.ndarray:
    """The note value of each onset's beat in steps, int64 (R,)."""
    out = np.full(len(onset), SIXTEENTH, dtype=np.int64)
    beat = onset // STEPS_PER_QUARTER
    for b in np.unique(beat):
        at = np.flatnonzero(beat == b)
        missed = [np.abs(onset[at] / u - np.rint(onset[at] / u)).mean() * u for u in (SIXTEENTH, TRIPLET)]
        if len(at) > 1 and missed[1] < _TRIPLETS * missed[0]:
            out[at] = TRIPLET
    return out

"""Bringing a score onto the grid that rows can say, with a report of every loss.

The law of the encoding is ``decode(encode(x)) == quantize(x)`` in what rows carry (see ``rows.same_music``).
Spelling, voices, staves and marks are no part of the rows; quantize keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zhiyin.encoding.fields import (
    DURATIONS,
    MAX_BAR_STEP,
    MAX_BAR_STEPS,
    MAX_PARTS,
    STEPS_PER_QUARTER,
    duration_class,
    tempo_class,
    tempo_of,
    velocity_class,
    velocity_of,
)
from zhiyin.errors import EncodingError
from zhiyin.score import Mark, Score, bars_array


@dataclass(frozen=True, slots=True)
class QuantizeReport:
    """What quantize changed. Counts of notes unless named otherwise; ``largest_move`` in quarters."""

    notes: int = 0  # notes in the source
    moved: int = 0  # onsets that were off the grid of 1/24 quarter
    largest_move: float = 0.0
    capped: int = 0  # durations changed to one that rows can say
    merged: int = 0  # doubled notes (same onset, part, pitch) made one
    cut: int = 0  # notes shortened because the part strikes the pitch again
    dropped_graces: int = 0
    dropped_notes: int = 0  # notes of parts beyond the limit
    dropped_parts: int = 0  # empty parts, and parts beyond the limit
    split_bars: int = 0  # bars longer than 16 quarters, cut
    dropped_bars: int = 0  # empty bars beyond the longest step rows can say
    nominal_grid: bool = False  # played-in timing taken as if it were written


_WORDS = {
    "moved": "{} onsets moved to the grid", "capped": "{} durations changed to one that rows can say", "merged": "{} doubled notes made one",
    "cut": "{} notes shortened where their pitch is struck again", "dropped_graces": "{} grace notes left out",
    "dropped_notes": "{} notes of parts beyond the limit left out", "dropped_parts": "{} parts left out", "split_bars": "{} long bars cut",
    "dropped_bars": "{} empty bars left out",
}  # fmt: skip


def quantize_words(changed: Mapping[str, Any]) -> list[str]:
    """What quantize changed, in words, from a report's fields (those that are 0 or not there are left out)."""
    said = [words.format(f"{changed[name]:,}") for name, words in _WORDS.items() if changed.get(name)]
    if changed.get("moved") and changed.get("largest_move"):
        said[0] += f" (by at most {changed['largest_move']:.2g} quarters)"
    return [*said, *(["played-in timing taken as if it were written"] if changed.get("nominal_grid") else [])]


def quantize(score: Score, *, close_gaps: bool = True) -> tuple[Score, QuantizeReport]:
    """The score on the grid of rows (24 ticks a quarter) and the report of what that changed.

    close_gaps: whether empty bars beyond the longest step that a row can say are dropped (else every bar keeps its place).
    """
    if not len(score.notes):
        raise EncodingError(
            "The score has no notes", expected="at least one note", received="0 notes", hint="check the file"
        )
    counts: dict[str, int | float | bool] = {"notes": len(score.notes), "nominal_grid": score.timing == "performed"}
    if score.notes["grace"].all():
        raise EncodingError("The score has only grace notes", expected="at least one full note", received="0 full notes")
    counts["dropped_graces"] = int(score.notes["grace"].sum())
    score, dropped = _fewer_parts(score)
    counts |= dropped
    scaled = score.notes["onset"].astype(np.float64) * STEPS_PER_QUARTER / score.ticks_per_quarter
    off = np.abs(scaled - np.floor(scaled + 0.5))
    counts["moved"] = int((off > 1e-9).sum())
    counts["largest_move"] = float(off.max(initial=0.0)) / STEPS_PER_QUARTER
    grid = score.with_resolution(STEPS_PER_QUARTER)
    bars, counts["split_bars"] = _grid_bars(grid)
    notes = grid.notes[~grid.notes["grace"]]
    notes, counts["merged"] = _merge_doubles(notes.copy())
    notes, counts["cut"] = _cut_restruck(notes)
    legal = DURATIONS[duration_class(notes["duration"])]
    counts["capped"] = int((legal != notes["duration"]).sum())
    notes["duration"] = legal
    notes, _ = _cut_restruck(notes)
    notes["velocity"] = velocity_of(velocity_class(notes["velocity"]))
    marks = grid.marks
    if close_gaps:
        bars, notes, marks, counts["dropped_bars"] = _close_gaps(bars, notes, marks)
    out = grid.replace(notes=notes, bars=bars, marks=marks)
    return out, QuantizeReport(**counts)  # type: ignore[arg-type]


def _fewer_parts(score: Score) -> tuple[Score, dict[str, int]]:
    """Empty parts go; of more than 32 parts those with the most notes stay."""
    counts = np.bincount(score.notes["part"][~score.notes["grace"]], minlength=len(score.parts))
    ranked = sorted(np.flatnonzero(counts), key=lambda p: -counts[p])[:MAX_PARTS]
    keep = sorted(int(p) for p in ranked)
    report = {"dropped_parts": len(score.parts) - len(keep), "dropped_notes": int(counts.sum() - counts[keep].sum())}
    if not report["dropped_parts"]:
        return score, report
    index = np.full(len(score.parts), -1)
    index[keep] = np.arange(len(keep))
    notes = score.notes[index[score.notes["part"]] >= 0].copy()
    notes["part"] = index[notes["part"]]
    marks = tuple(
        m if m.part < 0 else replace(m, part=int(index[m.part]))
        for m in score.marks
        if m.part < 0 or index[m.part] >= 0
    )
    return score.replace(notes=notes, parts=tuple(score.parts[p] for p in keep), marks=marks), report


def _grid_bars(grid: Score) -> tuple[np.ndarray, int]:
    """Bars on the grid: none empty of time, none over 16 quarters, enough for all notes, renumbered from 1 (upbeat 0)."""
    table = grid.bars[grid.bars["duration"] > 0]
    if not len(table):
        raise EncodingError(
            "The bars have no length on the grid", expected="bars of ≥ 1/24 quarter", received=f"{len(grid.bars)} bars"
        )
    table, split = _split_long(table)
    total = int(table["duration"].sum())
    if grid.notes["onset"].max() >= total:  # notes after the last bar: more bars like it
        end = int((grid.notes["onset"] + np.maximum(grid.notes["duration"], 1)).max())
        more = table[-1:].copy()
        nominal = round(4 * STEPS_PER_QUARTER * int(more["meter_numerator"][0]) / int(more["meter_denominator"][0]))
        more["duration"] = min(nominal, MAX_BAR_STEPS) or 4 * STEPS_PER_QUARTER
        table = np.concatenate([table, np.repeat(more, -(-(end - total) // int(more["duration"][0])))])
    upbeat = table["number"][0] == 0 and len(table) > 1
    bars = bars_array(table["duration"].tolist(), **{n: table[n] for n in _KEPT})
    bars["number"] = np.arange(len(bars)) + (0 if upbeat else 1)
    bars["tempo_qpm"] = tempo_of(tempo_class(_carried(table["tempo_qpm"])))
    odd = (
        (bars["meter_numerator"] > 32)
        | (bars["meter_numerator"] < 1)
        | ~np.isin(bars["meter_denominator"], [1, 2, 4, 8, 16, 32])
    )
    bars["meter_numerator"][odd], bars["meter_denominator"][odd] = (
        np.maximum(bars["duration"][odd] // 24, 1).clip(max=32),
        4,
    )
    return bars, split


_KEPT = ("meter_numerator", "meter_denominator", "key", "mode")


def _carried(tempo: np.ndarray) -> np.ndarray:
    """Tempo in force at each bar: the last one given; bars before the first keep "not given"."""
    given = np.maximum.accumulate(np.where(tempo > 0, np.arange(len(tempo)), -1))
    return np.where(given >= 0, tempo[np.maximum(given, 0)], 0.0)


def _split_long(table: np.ndarray) -> tuple[np.ndarray, int]:
    """Bars of more than 16 quarters cut into pieces of at most that; how many cuts."""
    pieces = -(-table["duration"] // MAX_BAR_STEPS)
    cut = np.repeat(table, pieces)
    last = np.cumsum(pieces) - 1
    rest = table["duration"] - MAX_BAR_STEPS * (pieces - 1)
    cut["duration"] = np.minimum(cut["duration"], MAX_BAR_STEPS)
    cut["duration"][last] = rest
    return cut, int(pieces.sum() - len(table))


def _merge_doubles(notes: np.ndarray) -> tuple[np.ndarray, int]:
    """One note for several of the same onset, part and pitch: the longest, at the loudest velocity."""
    order = np.lexsort((notes["duration"], notes["pitch"], notes["part"], notes["onset"]))
    notes = notes[order]
    same = _same_key(notes)
    if not same.any():
        return notes, 0
    group = np.r_[0, np.cumsum(~same)]
    loudest = np.zeros(group[-1] + 1, dtype=notes["velocity"].dtype)
    np.maximum.at(loudest, group, notes["velocity"])
    last = np.r_[~same, True]  # the longest of each group stands last
    merged = notes[last].copy()
    merged["velocity"] = loudest
    return merged, int(same.sum())


def _same_key(notes: np.ndarray) -> np.ndarray:
    return (np.diff(notes["onset"]) == 0) & (np.diff(notes["part"]) == 0) & (np.diff(notes["pitch"]) == 0)


def _cut_restruck(notes: np.ndarray) -> tuple[np.ndarray, int]:
    """A sounding pitch that its part strikes again ends there, in the longest duration rows can say."""
    order = np.lexsort((notes["onset"], notes["pitch"], notes["part"]))
    n = notes[order]
    same = (np.diff(n["part"]) == 0) & (np.diff(n["pitch"]) == 0)
    gap = np.diff(n["onset"])
    over = same & (n["duration"][:-1] > gap)
    if over.any():
        at = np.flatnonzero(over)
        n["duration"][at] = DURATIONS[np.searchsorted(DURATIONS, gap[at], side="right") - 1]
        notes = n[np.lexsort((n["pitch"], n["part"], n["onset"]))]
    return notes, int(over.sum())


def _close_gaps(
    bars: np.ndarray, notes: np.ndarray, marks: tuple[Mark, ...]
) -> tuple[np.ndarray, np.ndarray, tuple[Mark, ...], int]:
    """Runs of empty bars longer than one row can step over lose the bars beyond it (also at the end of the piece)."""
    used = np.unique(np.searchsorted(bars["onset"], notes["onset"], side="right") - 1)
    edges = np.r_[-1, used, len(bars) + MAX_BAR_STEP]
    keep = np.ones(len(bars), dtype=bool)
    for before, after in zip(edges[:-1], edges[1:]):
        keep[before + MAX_BAR_STEP : min(after, len(bars))] &= after - before <= MAX_BAR_STEP
    if edges[-2] + MAX_BAR_STEP < len(bars):
        keep[edges[-2] + MAX_BAR_STEP :] = False
    if keep.all():
        return bars, notes, marks, 0
    shift = np.r_[0, np.cumsum(np.where(keep, 0, bars["duration"]))]

    def moved(ticks: int) -> int:
        return ticks - int(shift[np.searchsorted(bars["onset"], ticks, side="right") - 1])

    notes = notes.copy()
    notes["onset"] -= shift[np.searchsorted(bars["onset"], notes["onset"], side="right") - 1]
    kept = bars[keep]
    out = bars_array(kept["duration"].tolist(), **{n: kept[n] for n in (*_KEPT, "tempo_qpm")})
    out["number"] = np.arange(len(out)) + int(bars["number"][0])
    marks = tuple(replace(m, onset=moved(m.onset), end=moved(m.end) if m.end >= 0 else -1) for m in marks)
    return out, notes, marks, int((~keep).sum())

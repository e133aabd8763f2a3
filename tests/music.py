"""Tunes and scores that tests share; all of them written here."""

from __future__ import annotations

import numpy as np

from zhiyin.score import Part, Score, notes_array, regular_bars

SCALE = (0, 2, 4, 5, 7, 9, 11)


def with_rest(score: Score, bar: int, bars: int) -> Score:
    """A score whose parts rest for ``bars`` bars before ``bar`` (index); all its bars are alike."""
    notes, length = score.notes.copy(), int(score.bars["duration"][0])
    notes["onset"][notes["onset"] >= bar * length] += bars * length
    table = regular_bars(len(score.bars) + bars, score.ticks_per_quarter, key=int(score.bars["key"][0]), mode=0, tempo_qpm=120.0)
    return score.replace(notes=notes, bars=table)


def tune(
    bars: int = 16, seed: int = 0, *, tonic: int = 62, parts: int = 1, ticks: int = 480, meter: tuple[int, int] = (4, 4)
) -> Score:
    """A seeded tune in D major (or another tonic): eighths and quarters on the scale, a long tonic at the end."""
    rng = np.random.default_rng(seed)
    onsets, durations, pitches, owners = [], [], [], []
    length = ticks * 4 * meter[0] // meter[1]
    for part in range(parts):
        at, degree = 0, 7
        while at < length * bars - length:
            duration = min(int(rng.choice([ticks // 2, ticks])), length * bars - length - at)
            degree = int(np.clip(degree + rng.integers(-2, 3), 0, 14))
            onsets.append(at)
            durations.append(duration)
            pitches.append(tonic - 12 * part + 12 * (degree // 7) + SCALE[degree % 7])
            owners.append(part)
            at += duration
        onsets.append(length * bars - length)
        durations.append(length)
        pitches.append(tonic - 12 * part)
        owners.append(part)
    notes = notes_array(onset=onsets, duration=durations, pitch=pitches, part=owners, velocity=80)
    fifths = {60: 0, 62: 2, 67: 1, 65: -1}.get(tonic, 0)
    table = regular_bars(bars, ticks, *meter, key=fifths, mode=0, tempo_qpm=120.0)
    names = tuple(Part(f"Part {i + 1}", 40 + i) for i in range(parts))
    return Score(notes, table, names, ticks, timing="notated", metadata={"title": f"Tune {seed}"})

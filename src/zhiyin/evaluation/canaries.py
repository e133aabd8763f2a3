"""Canaries: invented tunes planted in a training set, and how much of them a model gives away.

What is measured (Carlini, Liu, Erlingsson, Kos, Song 2019, "The Secret Sharer"):

* **exposure** of a canary, in bits: log2 |R| - log2 rank, where rank is its place by nats per note among |R| - 1 other tunes of the same rule set
  that were never planted, and itself. 0 = the least likely, 1 = as likely as the median, log2 |R| = likelier than all: the most that can be seen.
* **extraction**: after the canary's first bars, how many of the following notes a sampler writes exactly (onset, pitch, duration) before its
  first other note. A canary counts as extracted when that run has EXTRACTED notes or more.

The rule set is written here and owes nothing to a collection. Tunes planted 0 times are the control. Pure functions; no training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zhiyin.encoding.rows import BAR, DURATION, PITCH, POSITION
from zhiyin.errors import InputError
from zhiyin.score import Part, Score, notes_array, regular_bars

COPIES = (0, 1, 2, 4, 8, 16)
BARS, PREFIX_BARS = 8, 3
EXTRACTED = 16  # notes
TICKS = 24  # a quarter
RESAMPLINGS = 1000

# Durations of one bar in steps of 1/24 quarter, as a fiddler would write them: per meter, plain bars and closing bars.
_RHYTHMS: dict[tuple[int, int], tuple[tuple[int, ...], ...]] = {
    (4, 4): ((12,) * 8, (24, 12, 12, 24, 12, 12), (12, 12, 24, 12, 12, 24), (18, 6, 12, 12, 18, 6, 12, 12), (36, 12, 12, 12, 24)),
    (6, 8): ((12,) * 6, (24, 12, 12, 12, 12), (12, 12, 12, 24, 12), (18, 6, 12, 12, 12, 12), (24, 12, 24, 12)),
    (3, 4): ((12,) * 6, (36, 12, 24), (24, 12, 12, 12, 12), (12, 12, 24, 24)),
}  # fmt: skip
_MODES = ((0, (0, 2, 4, 5, 7, 9, 11)), (0, (0, 2, 4, 5, 7, 9, 10)), (1, (0, 2, 3, 5, 7, 9, 10)), (1, (0, 2, 3, 5, 7, 8, 10)))
_CHORDS = (0, 3, 4, 1, 5)  # roots, as scale degrees
_LOW, _HIGH = -2, 11  # scale degrees over the tonic


def invent(seed: int) -> Score:
    """One tune of the rule set, from its seed: 8 bars for a fiddle.

    A meter, a mode and a tonic are drawn; two one-bar rhythms alternate; every bar has a chord, I first, V before the last, I last; what falls on a
    beat is a chord tone near the note before, the notes between move by step or, one time in five, leap a third to a fifth and step back.
    The last bar holds the tonic. Repeats are ruled out, so that nothing in the second half can be read off the first.
    """
    rng = np.random.default_rng([20190814, seed])
    meter = tuple(_RHYTHMS)[int(rng.integers(len(_RHYTHMS)))]
    minor, scale = _MODES[int(rng.integers(len(_MODES)))]
    fifths = int(rng.integers(-2, 5))
    tonic = 62 + (7 * fifths - 2 + (9 if minor else 0)) % 12 - (12 if rng.random() < 0.5 else 0)
    tonic += 12 * (tonic < 59)  # a fiddle's lowest note is 55
    chords = [0, *(int(c) for c in rng.choice(_CHORDS, BARS - 3)), 4, 0]
    rhythms = rng.permutation(len(_RHYTHMS[meter]))[:2]
    length = 4 * TICKS * meter[0] // meter[1]
    onsets, durations, degrees = list[int](), list[int](), list[int]()
    degree, owed = int(rng.choice([0, 2, 4, 7])), 0
    for bar, root in enumerate(chords):
        at = 0
        for duration in _RHYTHMS[meter][rhythms[bar % 2]] if bar < BARS - 1 else (length,):
            degree, owed = _next(degree, owed, root, at % (36 if meter[1] == 8 else 24) == 0, rng)
            onsets.append(bar * length + at)
            durations.append(duration)
            degrees.append(degree)
            at += duration
    degrees[-1] = min((0, 7), key=lambda d: abs(d - degrees[-2]))
    pitches = [tonic + 12 * (d // 7) + scale[d % 7] for d in degrees]
    notes = notes_array(onset=onsets, duration=durations, pitch=pitches, velocity=80, part=[0] * len(onsets))
    bars = regular_bars(BARS, TICKS, *meter, key=fifths, mode=minor, tempo_qpm=100.0)
    return Score(notes, bars, (Part("Violin", 40),), TICKS, timing="notated", metadata={"title": f"Canary {seed}"})


def _next(degree: int, owed: int, root: int, beat: bool, rng: np.random.Generator) -> tuple[int, int]:
    """The next scale degree, and the step back that a leap owes (-1, 0 or 1)."""
    if owed:
        return degree + owed, 0
    if beat:
        near = [d for d in range(max(_LOW, degree - 4), min(_HIGH, degree + 4) + 1) if (d - root) % 7 in (0, 2, 4) and d != degree]
        return int(rng.choice(near)), 0
    leap = rng.random() < 0.2
    move = int(rng.choice([-1, 1])) * (int(rng.integers(2, 5)) if leap else 1)
    if not _LOW <= degree + move <= _HIGH:
        move = -move
    return degree + move, (-int(np.sign(move)) if leap else 0)


def exposure(canaries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Exposure in bits (n,) from nats per note of canaries (n,) and of references (r,); ties count against the canary."""
    if not len(references):
        raise InputError("No references to rank among", expected="≥ 1", received="0")
    rank = 1 + np.searchsorted(np.sort(references), canaries, side="right")
    return np.log2(len(references) + 1) - np.log2(rank)


def exact_run(written: np.ndarray, truth: np.ndarray) -> int:
    """Number of rows at the beginning of both (R, 6) that agree in bar, position, pitch and duration."""
    columns, count = [BAR, POSITION, PITCH, DURATION], min(len(written), len(truth))
    same = (np.asarray(written)[:count, columns] == np.asarray(truth)[:count, columns]).all(axis=1)
    return count if same.all() else int(np.argmin(same))


def longest_match(written: np.ndarray, truth: np.ndarray) -> int:
    """Longest run of notes that stands in both (R, 6), anywhere, by interval and duration (so in any key)."""
    a, b = (np.c_[np.diff(r[:, PITCH], prepend=0), r[:, DURATION]] for r in (written, truth))
    longest, before = 0, np.zeros(len(b) + 1, dtype=np.int64)
    for row in a[1:]:
        here = np.zeros_like(before)
        here[2:] = np.where((b[1:] == row).all(axis=1), before[1:-1] + 1, 0)
        longest, before = max(longest, int(here.max())), here
    return longest + 1 if longest else 0


def interval(values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Mean with n and a 95 % bootstrap interval (fixed seed)."""
    values = np.asarray(values, dtype=np.float64)
    picks = np.random.default_rng(0).integers(0, len(values), (RESAMPLINGS, len(values)))
    low, high = np.quantile(values[picks].mean(axis=1), (0.025, 0.975))
    return {"mean": round(float(values.mean()), 3), "low": round(float(low), 3), "high": round(float(high), 3), "n": len(values)}


def by_copies(copies: np.ndarray, values: np.ndarray) -> dict[str, dict[str, float]]:
    """``interval`` of the values of the canaries with each number of copies."""
    return {str(c): interval(values[copies == c]) for c in np.unique(copies)}


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Results per family as lines of text: exposure at the last epoch and extraction, by copies."""
    lines = []
    for family, found in results.items():
        last = found["exposure"][-1]
        lines.append(f"{family}: {found['parameters']:,} parameters, {last['epoch']:g} epochs, held-out {last['held_out']:.3f} nats per note")
        lines.append(f"{'copies':>8} {'n':>4} {'exposure, bits':>22}" + "".join(f"{t:>16}" for t in found["extraction"]) + f"{'index names':>14}")
        for copies, bits in last["by_copies"].items():
            drawn = [found["extraction"][t][copies] for t in found["extraction"]]
            named = found.get("index", {}).get(copies)
            index = "not run" if named is None else f"{named['named']}/{named['emitted']}"
            cells = "".join(f"{100 * d['extracted']['mean']:>6.0f} % {d['run']['mean']:>5.1f} n" for d in drawn)
            lines.append(f"{copies:>8} {bits['n']:>4} {bits['mean']:>8.2f} [{bits['low']:.2f}, {bits['high']:.2f}]" + cells + f"{index:>14}")
    return "\n".join(lines)

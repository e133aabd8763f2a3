"""Phrases of a score and the tempo that breathes with them. Pure functions on bars and marks.

The shapes follow the KTH rule system (Friberg, Bresin & Sundberg 2006, Advances in Cognitive Psychology 2): the phrase
arch (Friberg 1995), slow - fast - slow on two levels, and the final ritardando as a runner's stop (Friberg & Sundberg
1999): v(x) = (1 + (w**q - 1) x) ** (1 / q), from 1 to the final speed w.
"""

from __future__ import annotations

import numpy as np

from zhiyin.score.score import Score

PHRASE_BARS = 4
FINAL_SPEED, CURVATURE = 0.58, 2.6  # w and q of the final ritardando
_SLOWER = ("rit", "rall", "allarg", "calando", "morendo", "slentando")
_BACK = ("a tempo", "tempo i", "tempo primo", "in tempo")


def phrase_starts(score: Score) -> np.ndarray:
    """Onsets (phrases,) in ticks where phrases begin: after fermatas where they mark phrases, else each four bars.

    Counting starts again at double bar lines, and an upbeat belongs to the phrase that it leads to.
    """
    ends = fermata_ends(score)
    if len(ends) >= 2 and score.end / len(ends) <= 6 * float(np.median(score.bars["duration"])):
        starts = [0, *(e for e in ends if e < score.end)]
        return np.unique(starts)
    upbeat = int(score.bars["duration"][0]) if score.bars["number"][0] == 0 else 0
    lines = {m.onset for m in score.marks if m.kind == "barline" and m.value == "double"}
    starts, count = [0], 0
    for bar in score.bars[1 if upbeat else 0 :]:
        onset = int(bar["onset"])
        if onset in lines or count == PHRASE_BARS:
            starts.append(max(onset - upbeat, 0))
            count = 0
        count += 1
    return np.unique(starts)


def fermata_ends(score: Score) -> list[int]:
    """Ticks where the notes under fermatas end, each once."""
    ends = {}
    for onset in {m.onset for m in score.marks if m.kind == "fermata"}:
        here = score.notes[(score.notes["onset"] == onset) & ~score.notes["grace"]]
        if len(here):
            ends[onset] = onset + int(here["duration"].max())
    return sorted(set(ends.values()))


def position_in(starts: np.ndarray, ticks: np.ndarray, end: int) -> np.ndarray:
    """How far (ticks,) each time lies in its phrase, 0..1."""
    edges = np.append(starts, max(end, int(starts[-1]) + 1))
    i = np.clip(np.searchsorted(starts, ticks, side="right") - 1, 0, len(starts) - 1)
    return np.clip((ticks - edges[i]) / np.maximum(edges[i + 1] - edges[i], 1), 0, 1)


def arch(x: np.ndarray, turn: float) -> np.ndarray:
    """A parabola piece up to 1 at ``turn`` and down again, from -1 at 0 and at 1; x in 0..1."""
    side = np.where(x < turn, (turn - x) / turn, (x - turn) / (1 - turn))
    return 1 - 2 * side**2


def tempo_curve(score: Score, ticks: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Factors (ticks,) on the notated tempo at each of the evenly spaced times: > 1 is faster."""
    starts = phrase_starts(score)
    log = 0.020 * arch(position_in(starts, ticks, score.end), 0.35)
    log += 0.022 * arch(position_in(starts[::2], ticks, score.end), 0.4)
    log += 0.006 * _drift(len(ticks), rng)
    log -= log.mean()
    speed = np.exp(amount * log)
    for line in (_fermatas(score, ticks), _written_slowing(score, ticks), final_ritardando(score, ticks)):
        speed *= line**amount
    return speed


def final_ritardando(score: Score, ticks: np.ndarray) -> np.ndarray:
    """The runner's stop: 1 before the last bars, falling until the last onset, held to the end."""
    last = int(score.notes["onset"].max()) if len(score.notes) else score.end
    bar = int(score.bars["duration"][-2:].max())
    reach = min(1.5 * bar, 0.12 * max(last, 1))
    x = np.clip((ticks - (last - reach)) / max(reach, 1), 0, 1)
    return (1 + (FINAL_SPEED**CURVATURE - 1) * x) ** (1 / CURVATURE)


def _drift(count: int, rng: np.random.Generator) -> np.ndarray:
    """A slow wandering (count,), about 1 in size."""
    knots = rng.normal(size=count // 8 + 3)
    return np.interp(np.arange(count) / 8, np.arange(len(knots)), knots)


def _fermatas(score: Score, ticks: np.ndarray) -> np.ndarray:
    """A held note under each fermata, and a little slower on the way to it; the last one leaves to the ritardando."""
    out = np.ones(len(ticks))
    last = int(score.notes["onset"].max()) if len(score.notes) else 0
    for onset in sorted({m.onset for m in score.marks if m.kind == "fermata" and m.onset < last}):
        here = score.notes[(score.notes["onset"] == onset) & ~score.notes["grace"]]
        end = onset + (int(here["duration"].max()) if len(here) else score.ticks_per_quarter)
        out[(ticks >= onset) & (ticks < end)] = 0.58
        out[(ticks >= onset - score.ticks_per_quarter) & (ticks < onset)] = 0.9
    return out


def _written_slowing(score: Score, ticks: np.ndarray) -> np.ndarray:
    """What "rit." and its like ask for: down to three quarters, until "a tempo", a new tempo or two bars later."""
    out = np.ones(len(ticks))
    words = [m for m in score.marks if m.kind in ("text", "tempo")]
    bar = int(np.median(score.bars["duration"]))
    for m in words:
        if not m.value.lower().startswith(_SLOWER):
            continue
        stops = [w.onset for w in words if w.onset > m.onset and _starts_anew(w.value, w.kind)]
        end = min([*stops, m.onset + 2 * bar, score.end])
        x = (ticks - m.onset) / max(end - m.onset, 1)
        out = np.where((x >= 0) & (x < 1), np.minimum(out, 1 - 0.25 * x), out)
    return out


def _starts_anew(word: str, kind: str) -> bool:
    return word.lower().startswith(_BACK) or (kind == "tempo" and not word.lower().startswith(_SLOWER))

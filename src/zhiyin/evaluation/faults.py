"""Playability and voice leading: how often per 100 bars each fault occurs, with intervals by piece."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from zhiyin.evaluation.excerpts import Excerpt
from zhiyin.measures import counterpoint, playability
from zhiyin.score import Score

_WORDS = {
    "range": "out of range", "hands": "chord beyond two hands", "breath": "breathless phrase", "speed": "too fast", "hung": "note left hanging",
    "empty": "empty bar",
}  # fmt: skip
PLAYABILITY = (*_WORDS.values(), "hand over a tenth", "more than five notes a hand")
KINDS = (*PLAYABILITY, *counterpoint.KINDS)
TEMPO = 100.0  # quarters a minute at which both sides are timed: excerpts carry none
_RESAMPLES = 1000


def faults(score: Score) -> dict[str, int]:
    """Number of each of ``KINDS`` in a score."""
    found = Counter(_WORDS[p.kind] for p in playability.find_problems(score))
    found.update(_hands(score))
    found.update(counterpoint.count_kinds(counterpoint.counterpoint(score)))
    return {kind: found[kind] for kind in KINDS}


def _hands(score: Score) -> Counter[str]:
    """Keyboard chords that no split between two hands keeps within a tenth, or within five notes a hand."""
    found: Counter[str] = Counter()
    for problem in playability.hands(score):
        pitches = [int(p) for p in problem.detail.split()[1:]]
        found["more than five notes a hand" if len(pitches) > 2 * playability.HAND_NOTES else "hand over a tenth"] += 1
    return found


def timed(excerpt: Excerpt) -> Score:
    """The excerpt as a score at ``TEMPO``, so that breath and speed are asked of both sides alike."""
    score = excerpt.score()
    bars = score.bars.copy()
    bars["tempo_qpm"] = TEMPO
    return score.replace(bars=bars)


def fault_rates(sides: dict[str, Sequence[Excerpt]]) -> dict[str, Any]:
    """Side -> kind -> rate per 100 bars with its 95 % interval (bootstrap over pieces), and n."""
    out: dict[str, Any] = {}
    for side, excerpts in sides.items():
        counts = np.array([list(faults(timed(e)).values()) for e in excerpts], dtype=float)
        bars = np.array([e.bars for e in excerpts], dtype=float)
        drawn = np.random.default_rng(0).multinomial(len(bars), np.full(len(bars), 1 / len(bars)), size=_RESAMPLES)
        rates = 100 * (drawn @ counts) / (drawn @ bars)[:, None]
        low, high = np.quantile(rates, (0.025, 0.975), axis=0)
        mean = 100 * counts.sum(0) / bars.sum()
        out[side] = {"pieces": len(bars), "bars": int(bars.sum())} | {
            kind: {"rate": round(float(mean[i]), 2), "low": round(float(low[i]), 2), "high": round(float(high[i]), 2)} for i, kind in enumerate(KINDS)
        }
    return out

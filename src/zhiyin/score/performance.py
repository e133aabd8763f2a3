"""A score as somebody would play it; at present its repeats are unfolded and nothing else is changed."""

from __future__ import annotations

from zhiyin.score.repeats import expand_repeats
from zhiyin.score.score import Score


def perform(score: Score, *, seed: int = 0, amount: float = 1.0) -> Score:
    """The score as it is played: repeats unfolded."""
    return expand_repeats(score)

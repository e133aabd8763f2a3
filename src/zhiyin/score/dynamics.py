"""One table between dynamic marks and velocities, and the two ways between them."""

from __future__ import annotations

from zhiyin.score.score import Score

LEVELS = {"ppp": 16, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 126}


def velocity_to_marks(score: Score) -> Score:
    """The same score; marks from levels are not made yet."""
    return score

"""Repairs that several collections need: unknown velocities, a first tick that is off, empty parts."""

from __future__ import annotations

import numpy as np

from zhiyin.score.score import Score

FEW_VELOCITIES = 3


def forget_flat_velocity(score: Score, at_most: int = FEW_VELOCITIES) -> Score:
    """Velocity becomes "not given" where the file has no more than ``at_most`` different ones (nobody played them)."""
    if len(score.notes) == 0 or len(np.unique(score.notes["velocity"])) > at_most:
        return score
    notes = score.notes.copy()
    notes["velocity"] = 0
    return score.replace(notes=notes)


def pull_late_onsets(score: Score, ticks: int = 1) -> Score:
    """Notes that begin ``ticks`` after a 1/24 grid line (a converter's artefact) begin on it; ends stay put."""
    notes = score.notes.copy()
    grid = max(1, score.ticks_per_quarter // 24)
    late = (notes["onset"] % grid == ticks) & ~notes["grace"]
    notes["onset"][late] -= ticks
    notes["duration"][late] += ticks
    return score.replace(notes=notes)


def without_empty_parts(score: Score) -> Score:
    """The score without parts that have no note (their part-wide marks go too)."""
    used = np.unique(score.notes["part"])
    if len(used) == len(score.parts) or len(used) == 0:
        return score
    new_index = {int(old): new for new, old in enumerate(used)}
    notes = score.notes.copy()
    notes["part"] = np.searchsorted(used, notes["part"])
    marks = tuple(
        m if m.part < 0 else type(m)(m.onset, m.kind, m.value, new_index[m.part], m.end, m.voice, m.staff, m.pitch)
        for m in score.marks
        if m.part < 0 or m.part in new_index
    )
    return score.replace(notes=notes, parts=tuple(score.parts[int(i)] for i in used), marks=marks)

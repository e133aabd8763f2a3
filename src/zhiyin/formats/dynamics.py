"""Dynamic marks and hairpins to velocities. Knows marks and notes, no file format.

Levels follow common notation programs: ppp 16, pp 33, p 49, mp 64, mf 80, f 96, ff 112, fff 126.
"""

from __future__ import annotations

import numpy as np

from zhiyin.score import Mark, Score

LEVELS = {
    "pppp": 10,
    "ppp": 16,
    "pp": 33,
    "p": 49,
    "mp": 64,
    "mf": 80,
    "f": 96,
    "ff": 112,
    "fff": 126,
    "ffff": 127,
}
ACCENTS = {"sf": 16, "sfz": 16, "fz": 16, "rf": 10, "rfz": 10, "sffz": 28}  # added to the notes at their onset alone
DEFAULT_VELOCITY = 80
_HAIRPIN_STEP = 16  # a hairpin that leads to no further mark goes one level up or down


def played_velocities(score: Score) -> np.ndarray:
    """Velocities (notes,) uint8, all 1..127: the given ones, else from dynamic marks and hairpins, else 80."""
    velocity = score.notes["velocity"].astype(np.float64)
    missing = velocity == 0
    if not missing.any():
        return score.notes["velocity"].copy()
    marks = [m for m in score.marks if m.kind in ("dynamic", "hairpin")]
    for part in range(len(score.parts)):
        rows = np.flatnonzero(missing & (score.notes["part"] == part))
        if len(rows):
            own = [m for m in marks if m.part in (part, -1)]
            velocity[rows] = levels_at(score.notes["onset"][rows], own)
    return np.clip(np.round(velocity), 1, 127).astype(np.uint8)


def levels_at(onsets: np.ndarray, marks: list[Mark]) -> np.ndarray:
    """Velocity level (onsets,) float in force at each onset (ticks) under the marks of one part, sorted by onset."""
    times, values = [-1], [float(DEFAULT_VELOCITY)]
    for mark in marks:
        level = LEVELS.get(mark.value, LEVELS.get(mark.value.removeprefix("f"), 0) if mark.value == "fp" else 0)
        if mark.kind == "dynamic" and level:
            times.append(mark.onset)
            values.append(float(level))
    steps, levels = np.array(times), np.array(values)
    out = levels[np.searchsorted(steps, onsets, side="right") - 1]
    for mark in marks:
        if mark.kind == "hairpin" and mark.end > mark.onset:
            out = _with_hairpin(out, onsets, mark, steps, levels)
    for mark in marks:
        if mark.kind == "dynamic" and mark.value in ACCENTS:
            out = out + np.where(onsets == mark.onset, ACCENTS[mark.value], 0)
        elif mark.kind == "dynamic" and mark.value == "fp":
            out = np.where(onsets == mark.onset, float(LEVELS["f"]), out)
    return out


def _with_hairpin(
    out: np.ndarray, onsets: np.ndarray, hairpin: Mark, steps: np.ndarray, levels: np.ndarray
) -> np.ndarray:
    """Ramps from the level before a hairpin to the mark at its end, or one level on; holds it until the next mark."""
    up = 1 if hairpin.value == "crescendo" else -1
    before = levels[np.searchsorted(steps, hairpin.onset, side="right") - 1]
    following = np.searchsorted(steps, hairpin.onset, side="right")
    next_mark = int(steps[following]) if following < len(steps) else 2**31 - 1
    near = next_mark <= hairpin.end + (hairpin.end - hairpin.onset) // 2
    leads = near and (levels[following] - before) * up > 0
    target = float(levels[following]) if leads else float(np.clip(before + up * _HAIRPIN_STEP, 10, 127))
    share = np.clip((onsets - hairpin.onset) / (hairpin.end - hairpin.onset), 0, 1)
    inside = (onsets >= hairpin.onset) & (onsets < next_mark)
    return np.where(inside, before + (target - before) * share, out)

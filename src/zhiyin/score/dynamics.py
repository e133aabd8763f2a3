"""One table between dynamic marks and velocities, and the two ways between them.

``marks_to_velocity`` is for readers (a page has marks, the ear wants levels), ``velocity_to_marks`` for writers. What
has no mark stays unknown (velocity 0); nothing is filled in. Knows nothing about files.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np

from zhiyin.score.score import Mark, Score

LEVELS: dict[str, int] = {"ppp": 16, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 126}
STEP = 16  # velocities between neighbouring marks; what a hairpin without a goal moves by

_SYNONYMS = {"pppp": 10, "ppppp": 6, "pppppp": 3, "ffff": 127, "fffff": 127, "ffffff": 127, "n": 1, "pf": 96}
_ATTACKS = {  # mark: (velocity it adds to the note under it, level that holds afterwards or "")
    "sf": (STEP, ""), "sfz": (STEP, ""), "fz": (STEP, ""), "rf": (STEP, ""), "rfz": (STEP, ""), "sffz": (2 * STEP, ""),
    "fp": (3 * STEP, "p"), "sfp": (3 * STEP, "p"), "sfpp": (4 * STEP, "pp"), "sfzp": (3 * STEP, "p"),
}  # fmt: skip
_ACCENTS = {"accent": 10, "marcato": STEP, "strong-accent": STEP}
_CHANGE_COST = 1.5  # in levels x bars: a change must be worth it for longer than a bar, or be large


def level_of(mark: str) -> int | None:
    """Velocity of a dynamic that holds (``p`` … and rarer ones), None for attacks such as ``sf`` and for words."""
    return LEVELS.get(mark, _SYNONYMS.get(mark))


def nearest_mark(velocity: float) -> str:
    """The dynamic mark whose velocity lies nearest."""
    return min(LEVELS, key=lambda name: abs(LEVELS[name] - velocity))


# ---------------------------------------------------------------- marks to velocities


def marks_to_velocity(score: Score) -> Score:
    """Fills velocities that are not given (0) from dynamics, hairpins and accents of each part.

    Marks of part -1 count for all parts. Notes before the first dynamic of their part stay at 0 (unknown).
    """
    notes = score.notes.copy()
    for part in range(len(score.parts)):
        marks = [m for m in score.marks if m.part in (part, -1)]
        rows = np.flatnonzero((notes["part"] == part) & (notes["velocity"] == 0))
        times, levels = _curve([m for m in marks if m.kind in ("dynamic", "hairpin")], score)
        if not len(times) or not len(rows):
            continue
        onset = notes["onset"][rows]
        velocity = np.interp(onset, times, levels) + _accents(marks, score, rows)
        velocity = np.clip(np.floor(velocity + 0.5), 1, 127)
        notes["velocity"][rows] = np.where(onset < times[0], 0, velocity)
    return score.replace(notes=notes)


def _curve(marks: Sequence[Mark], score: Score) -> tuple[np.ndarray, np.ndarray]:
    """Break points (times, velocities), each (points,), of the level through a part; empty without dynamics."""
    held = [(m.onset, loud) for m in marks if m.kind == "dynamic" and (loud := _holds(m.value)) is not None]
    held = [list(same)[-1] for _, same in groupby(sorted(held, key=lambda h: h[0]), key=lambda h: h[0])]
    if not held:
        return np.zeros(0), np.zeros(0)
    wedges = sorted((m for m in marks if m.kind == "hairpin" and m.end > m.onset), key=lambda m: m.onset)
    points: list[tuple[float, float]] = []
    level, goal_used = float(held[0][1]), -1
    events = sorted([(t, 0, v, None) for t, v in held] + [(m.onset, 1, 0, m) for m in wedges], key=lambda e: e[:2])
    for time, _, value, wedge in events:
        if wedge is None:
            if time != goal_used:
                points += [(time - 1e-3, level), (time, value)]
            level = float(value)
        elif time >= held[0][0] and (not points or time >= points[-1][0] - 1e-6):
            goal, when = _goal(wedge, level, held, score)
            points += [(time, level), (when, goal)]
            level, goal_used = goal, when
    table = np.array(sorted(points, key=lambda p: p[0]))
    return table[1:, 0], table[1:, 1]


def _holds(value: str) -> int | None:
    attack = _ATTACKS.get(value)
    return LEVELS.get(attack[1]) if attack else level_of(value)


def _goal(wedge: Mark, level: float, held: Sequence[tuple[int, int]], score: Score) -> tuple[float, int]:
    """Level and time that a hairpin reaches: the next dynamic within a quarter of its end, else one step on."""
    sign = 1 if wedge.value.startswith("cresc") else -1
    for time, value in held:
        if wedge.onset < time <= wedge.end + score.ticks_per_quarter and (value - level) * sign > 0:
            return float(value), time
    inside = [t for t, _ in held if wedge.onset < t <= wedge.end]
    return float(np.clip(level + sign * STEP, 6, 127)), (inside[0] if inside else wedge.end)


def _accents(marks: Sequence[Mark], score: Score, rows: np.ndarray) -> np.ndarray:
    """Velocity that accents and attacks add, shape (rows,)."""
    added = np.zeros(len(rows))
    notes = score.notes[rows]
    for mark in marks:
        extra = _ATTACKS.get(mark.value, (0, ""))[0] if mark.kind == "dynamic" else 0
        extra = _ACCENTS.get(mark.value, 0) if mark.kind == "articulation" else extra
        if not extra:
            continue
        low, high = np.searchsorted(notes["onset"], [mark.onset, mark.onset + 1])
        here = notes[low:high]
        hit = np.ones(len(here), dtype=bool)
        for column in ("pitch", "voice", "staff"):
            wanted = getattr(mark, column)
            if mark.kind == "articulation" and wanted > (-1 if column == "pitch" else 0):
                hit &= here[column] == wanted
        added[low:high] = np.where(hit, np.maximum(added[low:high], extra), added[low:high])
    return added


# ---------------------------------------------------------------- velocities to marks


def velocity_to_marks(score: Score) -> Score:
    """Adds dynamics (and hairpins for gradual changes over two levels or more) that tell each part's velocities.

    Levels are decided bar by bar for the whole part at once (least-cost path), so that single loud notes or bars do
    not flood the page. Parts without velocities, and parts that have dynamics already, get none.
    """
    marked = {m.part for m in score.marks if m.kind == "dynamic"}
    new: list[Mark] = []
    for part in range(len(score.parts)):
        notes = score.notes[(score.notes["part"] == part) & (score.notes["velocity"] > 0)]
        if len(notes) and not marked & {part, -1}:
            new += _marks_of_part(score, notes, part)
    return score.replace(marks=score.marks + tuple(new)) if new else score


def _marks_of_part(score: Score, notes: np.ndarray, part: int) -> list[Mark]:
    bar_of = score.bar_of(notes["onset"])
    bars, first = np.unique(bar_of, return_index=True)
    edges = np.r_[first, len(notes)]
    loud = np.array([np.median(notes["velocity"][a:b]) for a, b in pairwise(edges)])
    onset = notes["onset"][first]
    path = _levels_path(loud)
    names = list(LEVELS)
    staff = 1 if (notes["staff"] > 1).any() else 0
    starts = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist()]
    marks = [Mark(int(onset[0]), "dynamic", names[path[0]], part, staff=staff)]
    i = 1
    while i < len(starts):
        last = _slope_end(starts, path, bars, i)
        if abs(int(path[starts[last]]) - int(path[starts[i] - 1])) >= 2 and last > i:
            kind = "crescendo" if path[starts[last]] > path[starts[i] - 1] else "diminuendo"
            begin, end = int(onset[starts[i] - 1]), int(onset[starts[last]])
            marks.append(Mark(begin, "hairpin", kind, part, end=end, staff=staff))
        marks.append(Mark(int(onset[starts[last]]), "dynamic", names[path[starts[last]]], part, staff=staff))
        i = last + 1
    return marks


def _slope_end(starts: list[int], path: np.ndarray, bars: np.ndarray, i: int) -> int:
    """Index of the last change of a slope that begins with change ``i``: same direction, steps of at most two bars."""
    direction = np.sign(int(path[starts[i]]) - int(path[starts[i] - 1]))
    last = i
    while last + 1 < len(starts):
        here, then = starts[last], starts[last + 1]
        if bars[then] - bars[here] > 2 or np.sign(int(path[then]) - int(path[here])) != direction:
            break
        last += 1
    return last


def _levels_path(loud: np.ndarray) -> np.ndarray:
    """Level (row of LEVELS) of each bar, shape (bars,): nearest to ``loud`` at a cost for each change (Viterbi)."""
    values = np.array(list(LEVELS.values()), dtype=float)
    cost = np.abs(loud[:, None] - values[None, :]) / STEP
    apart = np.abs(np.arange(len(values))[:, None] - np.arange(len(values))[None, :])
    change = np.where(apart > 0, _CHANGE_COST, 0.0)
    total, back = cost[0].copy(), np.zeros(cost.shape, dtype=int)
    for i in range(1, len(loud)):
        through = total[:, None] + change
        back[i] = through.argmin(axis=0)
        total = through.min(axis=0) + cost[i]
    path = np.zeros(len(loud), dtype=int)
    path[-1] = int(total.argmin())
    for i in range(len(loud) - 1, 0, -1):
        path[i - 1] = back[i][path[i]]
    return path

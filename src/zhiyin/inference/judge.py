"""Which takes to keep: playable ones, about as likely as takes of this wish are, that did as asked, no two alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zhiyin.encoding.rows import BAR, PART, PITCH, POSITION
from zhiyin.errors import ControlError
from zhiyin.inference.brief import Brief
from zhiyin.measures.key import find_key
from zhiyin.measures.playability import Problem
from zhiyin.score import Score

PICKS = ("best", "diverse")
GRAVE = 1.5  # penalty from which a take is not kept without comparison
DIFFERENT = 0.3  # least share of notes that two kept takes do not have in common


@dataclass(frozen=True)
class Verdict:
    """What speaks for and against a take. ``penalty``: nats a note that its faults cost it; lower is better. ``agreed``: a style check
    was not asked for, or heard the style that was."""

    problems: tuple[Problem, ...]
    nats: float
    penalty: float
    agreed: bool = True

    @property
    def playable(self) -> bool:
        """Whether it has no hard problem."""
        return not any(p.hard for p in self.problems)

    @property
    def good(self) -> bool:
        """Whether it is playable and free of grave faults (it may be kept without waiting for others)."""
        return self.playable and self.agreed and self.penalty < GRAVE

    def cost(self, typical: float) -> float:
        """What takes are ranked by: distance from the ``typical`` nats a note, plus penalties.

        The likeliest take is the dullest (it repeats), the least likely one is lost: typical information is what human
        sequences carry (Meister et al. 2022, "Locally typical sampling").
        """
        return abs(self.nats - typical) + self.penalty


def judge(score: Score, brief: Brief, nats: float, problems: tuple[Problem, ...]) -> Verdict:
    """Weighs a take: soft problems, aimlessness (too few or too many different pitches, long rests), wide melodic leaps."""
    penalty = 0.3 * sum(not p.hard for p in problems) + _wrong_key(score, brief)
    for part in range(len(brief.parts)):
        notes = score.notes[score.notes["part"] == part]
        if score.parts[part].drums:
            continue
        if len(notes) < max(2, brief.bars // 2):
            penalty += 2.0  # a part that hardly plays
            continue
        penalty += _monotony(notes) + _leaps(notes)
        penalty += 1.5 * _silence(score, notes)
    return Verdict(problems, nats, penalty + 0.5 * _crossings(score, brief))


def _wrong_key(score: Score, brief: Brief) -> float:
    """1.5 where the notes are heard in another key than the one asked for, less for its relative, 0 for drums."""
    if all(p.drums for p in score.parts):
        return 0.0
    heard = find_key(score)
    if (heard.tonic, heard.mode) == (brief.key.tonic, brief.key.mode):
        return 0.0
    return 0.5 if heard.fifths == brief.key.fifths else 1.5


def _monotony(notes: np.ndarray) -> float:
    """Top lines that stall: repeated pitches beyond a share of 0.35, and an entropy of pitches under 2.5 bits.

    Human top lines over 32 bars have 2.5 to 4.2 bits (10th to 90th percentiles of 60 jigs, hymns, mazurkas and songs
    each) and repeat 1 to 45 % of their notes.
    """
    top = notes[np.r_[np.diff(notes["onset"]) > 0, True]]
    same = float((np.diff(top["pitch"]) == 0).mean()) if len(top) > 4 else 0.0
    if len(top) < 24:
        return 4 * max(same - 0.5, 0.0)
    share = np.unique(top["pitch"], return_counts=True)[1] / len(top)
    entropy = -float((share * np.log2(share)).sum())
    return 4 * max(same - 0.35, 0.0) + 1.5 * max(2.5 - entropy, 0.0)


def _leaps(notes: np.ndarray) -> float:
    """Share of leaps of more than an octave in the top line, beyond a twentieth."""
    top = notes[np.r_[np.diff(notes["onset"]) > 0, True]]
    if len(top) < 4:
        return 0.0
    return 6 * max(float((np.abs(np.diff(top["pitch"].astype(int))) > 12).mean()) - 0.05, 0.0)


def _silence(score: Score, notes: np.ndarray) -> float:
    """Share of bars in which a part does not begin a note, beyond a quarter."""
    bars = len(np.unique(score.bar_of(notes["onset"])))
    return max(1 - bars / len(score.bars) - 0.25, 0.0)


def _crossings(score: Score, brief: Brief) -> float:
    """Share of bars in which the upper of two neighbouring parts lies, on average, below the lower one, beyond a tenth."""
    worst = 0.0
    ranges = [(p.low, p.high) for p in brief.parts]
    for upper in range(len(ranges) - 1):
        if ranges[upper][0] <= ranges[upper + 1][0] or any(score.parts[p].drums for p in (upper, upper + 1)):
            continue
        means = [_bar_means(score, p) for p in (upper, upper + 1)]
        both = ~np.isnan(means[0]) & ~np.isnan(means[1])
        if both.any():
            worst = max(worst, float((means[0][both] < means[1][both]).mean()) - 0.1)
    return worst


def _bar_means(score: Score, part: int) -> np.ndarray:
    notes = score.notes[score.notes["part"] == part]
    bar = score.bar_of(notes["onset"])
    count = np.bincount(bar, minlength=len(score.bars))
    total = np.bincount(bar, weights=notes["pitch"], minlength=len(score.bars))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Share of notes (bar, position, part, pitch) that two takes do not have in common: 0 alike … 1 nothing shared."""
    columns = [BAR, POSITION, PART, PITCH]
    one, two = ({tuple(r) for r in rows[:, columns].tolist()} for rows in (a, b))
    union = len(one | two)
    return 1 - len(one & two) / union if union else 0.0


def choose(
    rows: Sequence[np.ndarray], verdicts: Sequence[Verdict], count: int, kept: Sequence[int] = (), pick: str = "best"
) -> list[int]:
    """Indices of up to ``count`` takes: ``kept`` first, then playable ones that are agreed, by cost ("diverse": see
    ``pick_takes``), each different from those before it."""
    out = list(kept)
    middle = float(np.median([v.nats for v in verdicts])) if verdicts else 0.0
    order = sorted(
        (i for i, v in enumerate(verdicts) if v.playable and v.agreed and i not in out), key=lambda i: verdicts[i].cost(middle)
    )
    for i in _spread(rows, order, out, count) if pick == "diverse" else order:
        if len(out) >= count:
            break
        if all(distance(rows[i], rows[j]) >= DIFFERENT for j in out):
            out.append(i)
    return out


def choose_or_least(
    rows: Sequence[np.ndarray], verdicts: Sequence[Verdict], count: int, pick: str = "best"
) -> list[int]:
    """``choose``, or the take with the fewest problems where none can be kept."""
    return choose(rows, verdicts, count, pick=pick) or [min(range(len(verdicts)), key=lambda i: len(verdicts[i].problems))]


def pick_takes(rows: Sequence[np.ndarray], verdicts: Sequence[Verdict], count: int, how: str) -> list[int]:
    """Indices of ``count`` takes: the best ones by cost, or ("diverse") the best one and then always the one furthest from
    those kept, among the better half. Takes that cannot be played come last."""
    middle = float(np.median([v.nats for v in verdicts]))
    order = sorted(
        range(len(verdicts)), key=lambda i: (sum(p.hard for p in verdicts[i].problems), verdicts[i].cost(middle))
    )
    return (order if how == "best" else _spread(rows, order, (), count))[:count]


def _spread(rows: Sequence[np.ndarray], order: Sequence[int], kept: Sequence[int], count: int) -> list[int]:
    """An order by cost made one by distance: the best, then always the furthest from those before it among the better
    half (``count`` at least), then the others."""
    half = max(count, -(-len(order) // 2))
    pool, before = list(order[:half]), list(kept)
    while pool:
        far = max(pool, key=lambda i: min(distance(rows[i], rows[j]) for j in before)) if before else pool[0]
        pool.remove(far)
        before.append(far)
    return [*before[len(kept) :], *order[half:]]


def check_pick(pick: str) -> None:
    """Refuses a way to pick takes that there is not."""
    if pick not in PICKS:
        raise ControlError("Unknown way to pick takes", expected=" or ".join(PICKS), received=repr(pick))

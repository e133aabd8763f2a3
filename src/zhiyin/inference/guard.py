"""The guard: a take that grows too close to the training music goes back a bar, or more, and writes it again.

Whenever a bar has all its notes (short bars by twos or threes), a watch looks at the last rows. Where it objects, the
take goes back to the last note before the bar and draws other random numbers; where that does not help, it goes back
further. What comes out depends on the request alone, not on what is sampled beside it: a batch runs as it would without
a guard, and a take that a watch objects to leaves it and is written again, alone, from its beginning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zhiyin.encoding.fields import BAR_COLUMN, DRUM_PROGRAM, DURATIONS
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION
from zhiyin.errors import ControlError, PackageError
from zhiyin.inference.finish import one_at_a_time
from zhiyin.inference.original import Reference, compare
from zhiyin.inference.request import Request
from zhiyin.inference.sampler import Run, Written
from zhiyin.inference.session import StepSession
from zhiyin.provenance.originality import Verdict, lines_of
from zhiyin.score import Score, notes_array

TRIES = 4  # times that a bar is written again before the take goes back one bar further
DEEPEST = 8  # bars that a take can go back
MAX_BACKUPS = 32  # of one take; then it is given up
LIMITS = {"p95": 95, "p99": 99}  # percentile of human pieces
LOOK = 12  # rows after which a watch looks again, at the end of their bar
_TAIL = 96  # rows of each part that a watch looks at

Watch = Callable[[list[list[int]]], bool]
"""Whether the rows of a take (ROW_COLUMNS, whole bars) are too close to something."""


@dataclass(frozen=True)
class Guarded:
    """A take and what the guard did: how often it went back, and whether the watch has no objection at the end."""

    written: Written
    backups: int
    clean: bool


def sample_guarded(session: StepSession, requests: Sequence[Request], watches: Sequence[Watch]) -> list[Guarded]:
    """Writes all requests, each under its own watch; results in their order."""
    if len(requests) == 1:
        return [_alone(session, requests[0], watches[0])]
    run, stopped = Run(session, requests), set()
    while not run.done:
        looked = run.look()
        for i, n in enumerate(run.active):
            take = run.takes[n]
            if take.closes(looked.rows[i]) and watches[n](take.rows):
                stopped.add(n)
                take.done = True
        run.move(looked)
    return [
        _alone(session, request, watch) if n in stopped else Guarded(written, 0, True)
        for n, (request, watch, written) in enumerate(zip(requests, watches, run.results()))
    ]


def _alone(session: StepSession, request: Request, watch: Watch) -> Guarded:
    run = Run(session, [request])
    path = _Path()
    path.keep(run)
    while not run.done:
        looked = run.look()
        take = run.takes[0]
        if take.closes(looked.rows[0]):
            if watch(take.rows):
                if not path.back(run):
                    return Guarded(run.results()[0], path.backups, False)
                continue
            if take.free:
                path.keep(run)
        run.move(looked)
    return Guarded(run.results()[0], path.backups, True)


class _Path:
    """The last moments at which a bar was about to be sampled, and how often each later bar was refused."""

    def __init__(self) -> None:
        self._moments: deque[tuple[int, Any]] = deque(maxlen=DEEPEST)  # bar before, state of the run
        self._refused: dict[int, int] = {}
        self.backups = 0

    def keep(self, run: Run) -> None:
        """Remembers where the run is, in place of a moment at the same bar."""
        bar = run.takes[0].cursor
        while len(self._moments) > 1 and self._moments[-1][0] >= bar:
            self._moments.pop()
        self._moments.append((bar, run.save()))

    def back(self, run: Run) -> bool:
        """Puts the run back, the further the more often its bar was refused; False where it has been too often."""
        bar = run.takes[0].cursor
        self._refused[bar] = self._refused.get(bar, 0) + 1
        if self.backups >= MAX_BACKUPS:
            return False
        self.backups += 1
        for _ in range(min((self._refused[bar] - 1) // TRIES, len(self._moments) - 1)):
            self._moments.pop()
        run.restore(self._moments[-1][1])
        run.takes[0].reseed(self.backups)
        return True


def _due(rows: list[list[int]]) -> bool:
    """Whether the last bar brought the rows past a multiple of LOOK (so short bars are looked at together)."""
    bar, before = rows[-1][BAR], len(rows) - 1
    while before and rows[before - 1][BAR] == bar:
        before -= 1
    return len(rows) // LOOK > before // LOOK


def check_limit(limit: str) -> None:
    """Refuses a limit that there is not."""
    if limit not in LIMITS:
        raise ControlError("Unknown limit of originality", expected=" or ".join(LIMITS), received=repr(limit))


class Guard:
    """Watches over takes by the originality index of a package. ``limit``: p95 or p99 of the human scale."""

    def __init__(self, reference: Reference, limit: str) -> None:
        check_limit(limit)
        if reference.index.scale is None:
            raise PackageError(
                f"The originality index of {reference.about['name']} has no scale",
                expected="percentiles of human pieces",
                received="none",
                hint="without a scale only `zhiyin original` can be used: it lists the passages",
            )
        self.reference, self.limit, self.scale = reference, limit, reference.index.scale

    def sample(self, session: StepSession, requests: Sequence[Request], styles: Sequence[str]) -> list[Guarded]:
        """Writes all requests; the style of each chooses its scale."""
        return sample_guarded(session, requests, [self.watch(r, s) for r, s in zip(requests, styles)])

    def watch(self, request: Request, style: str) -> Watch:
        """A watch over the last rows of a take of this request, whole bars."""
        bar_onset = np.r_[0, np.cumsum(request.bars[:, BAR_COLUMN["length"]])]
        drums = request.programs == DRUM_PROGRAM
        parts = max(int((request.programs <= DRUM_PROGRAM).sum()), 1)
        single, tail = request.single[:parts].tolist(), _TAIL * parts
        index, bars = self.reference.index, len(request.bars)

        def objects(rows: list[list[int]]) -> bool:
            if rows[-1][BAR] < bars - 1 and not _due(rows):
                return False
            last = np.array(rows[-tail:], dtype=np.int64).reshape(-1, 6)
            onset = bar_onset[last[:, BAR]] + last[:, POSITION]
            notes = notes_array(onset=onset, duration=DURATIONS[last[:, DURATION]], pitch=last[:, PITCH], part=last[:, PART])
            notes = one_at_a_time(notes, single)
            lines = lines_of(notes["onset"], notes["duration"], notes["pitch"], notes["part"], drums)
            found = index.passages(lines, limit=4)
            whole = round(len(rows) * bars / (rows[-1][BAR] + 1))  # notes of the piece, as it goes so far
            return bool(found) and self._over(self.scale.verdict(found, whole, style))

        return objects

    def objects(self, score: Score, style: str) -> bool:
        """Whether a finished piece passes the limit, or the floor."""
        verdict = compare(score, self.reference, style=style).verdict
        return verdict is not None and self._over(verdict)

    def _over(self, verdict: Verdict) -> bool:
        limit = verdict.threshold_p95 if self.limit == "p95" else verdict.threshold_p99
        return verdict.floor or verdict.score > limit

    def failure(self, counts: Mapping[str, int]) -> ControlError:
        """The error of a wish for which nothing original enough was written."""
        return ControlError(
            f"No take kept under {self.limit} of the originality scale",
            expected=f"no passage closer to the training music than {LIMITS[self.limit]} % of human pieces come",
            received=f"{counts['too_close']} of {counts['written']} takes given up after going back {counts['went_back']} times",
            hint="another --seed, a higher --temperature, more --candidates, or --original p99",
        )

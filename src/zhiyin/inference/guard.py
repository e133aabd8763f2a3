"""The guard: a take that grows too close to the training music goes back a bar, or more, and writes it again.

Whenever a bar has all its notes, a watch looks at the rows so far. Where it objects, the take goes back to where the
bar began and draws other random numbers; where that does not help, it goes back further. What comes out depends on
the request alone, not on what is sampled beside it: a batch runs as it would without a guard, and a take that
a watch objects to leaves it and is written again, alone, from its beginning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zhiyin.inference.request import Request
from zhiyin.inference.sampler import Run, Written
from zhiyin.inference.session import StepSession

TRIES = 4  # times that a bar is written again before the take goes back one bar further
DEEPEST = 8  # bars that a take can go back
MAX_BACKUPS = 32  # of one take; then it is given up

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
        self._moments: deque[Any] = deque(maxlen=DEEPEST)
        self._refused: dict[int, int] = {}
        self.backups = 0

    def keep(self, run: Run) -> None:
        """Remembers where the run is."""
        self._moments.append(run.save())

    def back(self, run: Run) -> bool:
        """Puts the run back, the further the more often its bar was refused; False where it has been too often."""
        bar = run.takes[0].cursor
        self._refused[bar] = self._refused.get(bar, 0) + 1
        if self.backups >= MAX_BACKUPS:
            return False
        self.backups += 1
        for _ in range(min((self._refused[bar] - 1) // TRIES, len(self._moments) - 1)):
            self._moments.pop()
        run.restore(self._moments[-1])
        run.takes[0].reseed(self.backups)
        return True

"""Given and written rows of a score: what stays is read, what was selected is sampled, and both become one score again.

``write`` samples takes of an opened score run by run (a run is a stretch of bars that are written without a longer gap,
and reads what earlier runs wrote). Words, files and the choice among takes are not its business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from zhiyin.encoding.fields import (
    BAR_COLUMN,
    MAX_PARTS,
)
from zhiyin.encoding.layout import LOOKAHEAD
from zhiyin.encoding.rows import BAR, PART, PITCH, POSITION, VELOCITY
from zhiyin.inference.opened import Opened
from zhiyin.inference.plan import program_row
from zhiyin.inference.request import Request, Sampling
from zhiyin.inference.run_masks import run_masks
from zhiyin.inference.sampler import Sampler, Written
from zhiyin.measures.playability import KEYBOARDS

_CONTEXT = 0.5  # share of the window that is read before the first written row
_LEAST_BARS = 4
_MOST_STEP = 24  # bars between the last row that is read and the first written one

Narrow = Callable[["Run"], "Run"]


@dataclass(frozen=True)
class Run:
    """One run as it is about to be asked of the sampler: its request, and what its rows and bars are called outside.

    shift: bar of the piece that is bar 0 of the request. opened: the piece. bars: the bars that are written.
    """

    request: Request
    shift: int
    opened: Opened
    bars: np.ndarray


@dataclass(frozen=True)
class Sheet:
    """How takes are sampled: sampling, controls (int64 (5,)), window of the model, whether to say the harmony of the old
    notes (column "chord"), and a last change of each run's request (constraints, places).

    ahead: notes that stay are read as given rows, two bars ahead, those after the run too; else they are woven among the
    new ones in their order, and what comes after the run is left to the choice among takes (see ``benchmarks/infill.py``).
    """

    sampling: Sampling
    controls: np.ndarray
    window: int
    harmony: bool = False
    ahead: bool = False
    narrow: Narrow | None = field(default=None)


def write(opened: Opened, sampler: Sampler, sheet: Sheet, seeds: Sequence[int]) -> list[Written]:
    """One take per seed: its new rows, in bars of the piece's table, and their nats."""
    rows = [opened.piece.rows[~opened.gone] for _ in seeds]
    new: list[list[np.ndarray]] = [[] for _ in seeds]
    nats: list[list[np.ndarray]] = [[] for _ in seeds]
    complete = np.ones(len(seeds), dtype=bool)
    for number, bars in enumerate(opened.runs):
        runs = [make_run(opened, sheet, bars, r, _seed_of(s, number)) for r, s in zip(rows, seeds)]
        for i, written in enumerate(_heard(sampler, runs, sheet, rows)):
            found = written.rows.copy()
            found[:, BAR] += runs[i].shift
            found = _without_doubles(found, rows[i])
            new[i].append(found)
            nats[i].append(written.nats)
            complete[i] &= written.complete
            rows[i] = _sorted(np.concatenate([rows[i], found]))
    empty = [np.zeros((0, 6))]
    return [
        Written(np.concatenate(n).astype(np.int64), np.concatenate(empty + m), bool(c))
        for n, m, c in zip(new, nats, complete)
    ]


def _heard(sampler: Sampler, runs: Sequence[Run], sheet: Sheet, rows: Sequence[np.ndarray]) -> list[Written]:
    """What is written for runs; one that came out silent is written with its given notes read ahead, which leaves no bar empty."""
    found = sampler.sample([r.request for r in runs])
    silent = [i for i, w in enumerate(found) if not len(w.rows)]
    if silent and not sheet.ahead:
        ahead = replace(sheet, ahead=True)
        again = [make_run(runs[i].opened, ahead, runs[i].bars, rows[i], runs[i].request.seed) for i in silent]
        for i, run, written in zip(silent, again, sampler.sample([r.request for r in again])):
            moved = written.rows.copy()
            moved[:, BAR] += run.shift - runs[i].shift
            found[i] = replace(written, rows=moved)
    return found


def _seed_of(seed: int, run: int) -> int:
    """Each run of a take has its own random numbers."""
    return seed if run == 0 else int(np.random.SeedSequence([seed, run, 0x72756E]).generate_state(1, np.uint32)[0])


def make_run(opened: Opened, sheet: Sheet, bars: np.ndarray, rows: np.ndarray, seed: int) -> Run:
    """What the sampler is asked for one run, with the rows (int64 (R, 6)) that stand by then."""
    first, stop = int(bars[0]), int(bars[-1])
    writing = opened.cells[bars].any(axis=0)
    past, given = split_rows(rows, writing, first, stop) if sheet.ahead else (rows[rows[:, BAR] < first], rows[:0])
    woven = rows[:0] if sheet.ahead else rows[(rows[:, BAR] >= first) & (rows[:, BAR] <= stop)]
    shift = _first_read(past, np.concatenate([given, woven]), first, stop, int(_CONTEXT * sheet.window))
    past, given, woven = (_moved(r[r[:, BAR] >= shift], shift) for r in (past, given, woven))
    table = opened.piece.bars[shift : stop + LOOKAHEAD + 2].astype(np.int64)
    if not sheet.harmony:
        table[:, BAR_COLUMN["chord"]] = 0
    masks = run_masks(opened, table, shift, bars, rows, beside=not sheet.ahead)
    single, hands = np.zeros(MAX_PARTS, dtype=bool), np.zeros(MAX_PARTS, dtype=bool)
    single[: len(opened.parts)] = opened.single
    hands[: len(opened.parts)] = [p.program in KEYBOARDS for p in opened.parts]
    cells = np.zeros((len(table), MAX_PARTS), dtype=bool)
    cells[bars - shift, : len(opened.parts)] = opened.cells[bars]
    reach = np.where(opened.cells, opened.reach, 0).max(axis=1)[shift : shift + len(table)]
    loud = opened.piece.rows[:, VELOCITY] > 0
    end = stop - shift if stop == len(opened.piece.bars) - 1 else len(table)  # else the step beyond the run ends a take
    request = Request(
        table, program_row([int(p) for p in opened.piece.programs]), sheet.controls, masks, sheet.sampling, seed=seed,
        past=past, given=given, first=first - shift, end_bar=end, single=single, hands=hands,
        keep_velocity=bool(len(loud) and loud.mean() > 0.5), woven=woven, cells=cells, reach=reach,
    )  # fmt: skip
    run = Run(request, shift, opened, bars)
    return sheet.narrow(run) if sheet.narrow else run


def split_rows(rows: np.ndarray, writing: np.ndarray, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """(past, given) rows of a run over bars first..stop: parts that write are past before it, all else is given.

    As in training: a part that is given is given from its beginning. Where the parts that write have not played just
    before the run, all that stands before it is past. Given rows reach ``LOOKAHEAD`` bars beyond the run.
    """
    before = rows[:, BAR] < first
    own = writing[rows[:, PART]]
    if not (before & own & (rows[:, BAR] >= first - _MOST_STEP)).any():
        own = np.ones(len(rows), dtype=bool)
    past = before & own
    return rows[past], rows[~past & (rows[:, BAR] <= stop + LOOKAHEAD)]


def _first_read(past: np.ndarray, given: np.ndarray, first: int, stop: int, budget: int) -> int:
    """The first bar that is read: as many before the run as fit in ``budget`` rows, at least some, none too far to step from."""
    bars = np.sort(np.concatenate([past[:, BAR], given[given[:, BAR] < first, BAR]]))
    budget = max(budget - int((given[:, BAR] >= first).sum()), 0)
    fits = int(np.r_[bars, first - 1][len(bars) - budget]) + 1 if len(bars) > budget else 0
    shift = min(fits, max(first - _LEAST_BARS, 0))
    if not (past[:, BAR] >= max(shift, first - _MOST_STEP)).any():
        shift = max(shift, first - LOOKAHEAD)
    return max(shift, 0)


def _moved(rows: np.ndarray, shift: int) -> np.ndarray:
    rows = rows.astype(np.int64)
    rows[:, BAR] -= shift
    return rows


def _without_doubles(new: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """New rows but those that double a row that stands (same bar, position, part and pitch)."""
    known = {tuple(r) for r in rows[:, :4].tolist()}
    return new[[tuple(r) not in known for r in new[:, :4].tolist()]] if len(new) else new


def _sorted(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort((rows[:, PITCH], rows[:, PART], rows[:, POSITION], rows[:, BAR]))]

"""Given and written rows of a score: what stays is read, what was selected is sampled, and both become one score again.

``open_score`` lays a score out around a selection; ``write`` samples takes run by run (a run is a stretch of bars that
are written without a longer gap, and reads what earlier runs wrote); ``join`` puts the new notes among the old ones,
which keep their exact ticks. Words, files and the choice among takes are not its business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from zhiyin.encoding import EncodedPiece, encode, quantize
from zhiyin.encoding.fields import (
    BAR_COLUMN,
    DRUM_PROGRAM,
    DURATIONS,
    MAX_BAR_STEPS,
    MAX_PARTS,
    STEPS_PER_QUARTER,
    velocity_of,
)
from zhiyin.encoding.layout import LOOKAHEAD
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION, VELOCITY
from zhiyin.errors import EncodingError
from zhiyin.inference.controls import Key
from zhiyin.inference.instruments import Instrument, part_instrument
from zhiyin.inference.masks import ANY_POSITION, GRID, NO_POSITION, Masks, plain_masks
from zhiyin.inference.past import kept_parts, key_of, played_instrument
from zhiyin.inference.plan import program_row
from zhiyin.inference.request import Request, Sampling
from zhiyin.inference.sampler import Sampler, Written
from zhiyin.inference.selection import Selection, reach_of, slack
from zhiyin.measures.key import with_keys
from zhiyin.measures.playability import KEYBOARDS
from zhiyin.score import UNSPELLED, Mark, Score, notes_array

GAP = 2  # given bars between two written ones that one run steps over
_CONTEXT = 0.75  # share of the window that is read before the first written row
_LEAST_BARS = 4
_MOST_STEP = 24  # bars between the last row that is read and the first written one

ON_NOTES = ("slur", "articulation", "ornament", "fermata", "lyric")  # marks that hang on notes
Narrow = Callable[["Run"], "Run"]


@dataclass(frozen=True)
class Opened:
    """A score laid out around a selection. R rows, N bars of the encoding, P parts.

    piece: all rows, those that go among them. gone: bool (R,). cells: bool (N, P), where new rows may begin.
    reach: int64 (N, P), steps from a bar's onset to where the stretch of selected bars ends. order: score's part of each
    of the piece's. home: int64 (N,), the score's bar of each row of the table; offset: int64 (N,), its first step there.
    """

    score: Score
    selection: Selection
    piece: EncodedPiece
    gone: np.ndarray
    cells: np.ndarray
    reach: np.ndarray
    order: tuple[int, ...]
    parts: tuple[Instrument, ...]
    single: np.ndarray
    home: np.ndarray
    offset: np.ndarray
    key: Key

    @property
    def names(self) -> list[str]:
        """Names of the piece's parts."""
        return [self.score.parts[p].name or f"Part {p + 1}" for p in self.order]

    @property
    def runs(self) -> list[np.ndarray]:
        """Bars (rows of the table) that are written, in stretches with at most ``GAP`` given bars inside."""
        rows = np.flatnonzero(self.cells.any(axis=1))
        return np.split(rows, np.flatnonzero(np.diff(rows) > GAP + 1) + 1)


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
    notes (column "chord"), and a last change of each run's request (constraints, places)."""

    sampling: Sampling
    controls: np.ndarray
    window: int
    harmony: bool = False
    narrow: Narrow | None = field(default=None)


def open_score(score: Score, selection: Selection) -> Opened:
    """Lays a score out around a selection. Selected parts without notes are laid out too (their instrument by name or program).

    Raises EncodingError where more than 32 bars in a row hold nothing, or more than 32 parts are needed.
    """
    keyed = with_keys(score)
    marked = keyed.notes.copy()
    marked["staff"] = selection.gone  # travels through the grid
    grid, _ = quantize(keyed.replace(notes=marked))
    piece, _ = encode(grid)
    gone = grid.notes["staff"] == 1
    home, offset = _homes(score, piece, int(selection.bars[-1]))
    kept = kept_parts(score)
    order = tuple(sorted({*kept, *selection.parts}))
    if len(order) > MAX_PARTS:
        raise EncodingError("Too many parts", expected=f"≤ {MAX_PARTS} with notes or selected", received=str(len(order)))
    piece = _with_parts(score, piece, kept, order)
    parts, single = zip(*(_player(score, piece, p, original) for p, original in enumerate(order)))
    cells = selection.cells[home][:, list(order)]
    reach = _reach_steps(score, selection.cells, home, offset)[:, list(order)]
    first = piece.bars[home.searchsorted(selection.bars[0])].astype(np.int64)
    return Opened(score, selection, piece, gone, cells, reach, order, parts, np.array(single), home, offset, key_of(first))


def _homes(score: Score, piece: EncodedPiece, last: int) -> tuple[np.ndarray, np.ndarray]:
    """For each row of the piece's table the score's bar and the step in it where the row begins (long bars are cut).

    ``last``: bar of the score that must be among them. Bars beyond the score's own belong to its last one.
    """
    edges = np.r_[score.bars["onset"], score.bars["onset"][-1] + score.bars["duration"][-1]]
    steps = np.diff(np.floor(edges * (STEPS_PER_QUARTER / score.ticks_per_quarter) + 0.5)).astype(np.int64)
    pieces = -(-steps // MAX_BAR_STEPS)
    home = np.repeat(np.arange(len(steps)), pieces)
    offset = (np.arange(len(home)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * MAX_BAR_STEPS
    count = len(piece.bars)
    more = max(count - len(home), 0)
    home = np.r_[home, np.full(more, len(steps) - 1)][:count]
    final = int(score.bar_of(score.notes["onset"][~score.notes["grace"]].max()))
    if home[-1] < last or home[piece.rows[:, BAR].max()] != final:
        raise EncodingError(
            "The score cannot be laid out", expected="at most 32 bars in a row without a note",
            received="a longer gap", hint="cut the file at the gap",
        )  # fmt: skip
    return home, np.r_[offset, np.zeros(more, dtype=np.int64)][:count]


def _with_parts(score: Score, piece: EncodedPiece, kept: Sequence[int], order: Sequence[int]) -> EncodedPiece:
    """The piece with rows for parts that have no notes yet."""
    rows = piece.rows.astype(np.int64)
    rows[:, PART] = np.searchsorted(order, kept)[rows[:, PART]]
    programs = np.array([DRUM_PROGRAM if score.parts[p].drums else score.parts[p].program for p in order], dtype=np.uint8)
    return EncodedPiece(rows, piece.bars, programs, piece.controls)


def _player(score: Score, piece: EncodedPiece, part: int, original: int) -> tuple[Instrument, bool]:
    """A part's instrument and whether it plays one note at a time: as it has played, else as its instrument is."""
    if (piece.rows[:, PART] == part).any():
        return played_instrument(score, piece, part, original)
    known = part_instrument(score.parts[original].name, int(piece.programs[part]))
    return known, known.single


def _reach_steps(score: Score, cells: np.ndarray, home: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Steps from each table row's onset to the end of its stretch of selected bars, int64 (N, score's parts)."""
    ticks = reach_of(score, cells)[home] - score.bars["onset"].astype(np.int64)[home][:, None]
    return np.floor(ticks * (STEPS_PER_QUARTER / score.ticks_per_quarter) + 0.5).astype(np.int64) - offset[:, None]


# ---------------------------------------------------------------- sampling


def write(opened: Opened, sampler: Sampler, sheet: Sheet, seeds: Sequence[int]) -> list[Written]:
    """One take per seed: its new rows, in bars of the piece's table, and their nats."""
    rows = [opened.piece.rows[~opened.gone] for _ in seeds]
    new: list[list[np.ndarray]] = [[] for _ in seeds]
    nats: list[list[np.ndarray]] = [[] for _ in seeds]
    complete = np.ones(len(seeds), dtype=bool)
    for number, bars in enumerate(opened.runs):
        runs = [make_run(opened, sheet, bars, r, _seed_of(s, number)) for r, s in zip(rows, seeds)]
        for i, written in enumerate(sampler.sample([r.request for r in runs])):
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


def _seed_of(seed: int, run: int) -> int:
    """Each run of a take has its own random numbers."""
    return seed if run == 0 else int(np.random.SeedSequence([seed, run, 0x72756E]).generate_state(1, np.uint32)[0])


def make_run(opened: Opened, sheet: Sheet, bars: np.ndarray, rows: np.ndarray, seed: int) -> Run:
    """What the sampler is asked for one run, with the rows (int64 (R, 6)) that stand by then."""
    first, stop = int(bars[0]), int(bars[-1])
    writing = opened.cells[bars].any(axis=0)
    past, given = split_rows(rows, writing, first, stop)
    shift = _first_read(past, given, first, stop, int(_CONTEXT * sheet.window))
    past, given = (_moved(r[r[:, BAR] >= shift], shift) for r in (past, given))
    table = opened.piece.bars[shift : stop + LOOKAHEAD + 2].astype(np.int64)
    if not sheet.harmony:
        table[:, BAR_COLUMN["chord"]] = 0
    masks = _masks(opened, table, shift, bars, rows)
    single, hands = np.zeros(MAX_PARTS, dtype=bool), np.zeros(MAX_PARTS, dtype=bool)
    single[: len(opened.parts)] = opened.single
    hands[: len(opened.parts)] = [p.program in KEYBOARDS for p in opened.parts]
    written = np.zeros(len(table), dtype=bool)
    written[bars - shift] = True
    reach = np.where(opened.cells, opened.reach, 0).max(axis=1)[shift : shift + len(table)]
    loud = opened.piece.rows[:, VELOCITY] > 0
    request = Request(
        table, program_row([int(p) for p in opened.piece.programs]), sheet.controls, masks, sheet.sampling, seed=seed,
        past=past, given=given, first=first - shift, end_bar=stop - shift, single=single, hands=hands,
        keep_velocity=bool(len(loud) and loud.mean() > 0.5), written=written, reach=reach,
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
    fits = int(bars[len(bars) - budget]) + 1 if len(bars) > budget else 0
    shift = min(fits, max(first - _LEAST_BARS, 0))
    if not (past[:, BAR] >= max(shift, first - _MOST_STEP)).any():
        shift = max(shift, first - LOOKAHEAD)
    return max(shift, 0)


def _moved(rows: np.ndarray, shift: int) -> np.ndarray:
    rows = rows.astype(np.int64)
    rows[:, BAR] -= shift
    return rows


def _masks(opened: Opened, table: np.ndarray, shift: int, bars: np.ndarray, rows: np.ndarray) -> Masks:
    """Ranges in the cells that are written and silence elsewhere; lines wait while a note that stays is sounding.

    The bar after the run is open to the step that ends it.
    """
    masks = plain_masks(table, opened.parts)
    index, count = masks.pitch_index, len(table)
    local = bars - shift
    free = np.zeros((count, MAX_PARTS), dtype=bool)
    free[local, : len(opened.parts)] = opened.cells[bars]
    after = int(local[-1]) + 1
    if after < count:
        free[after, : len(opened.parts)] = opened.cells[bars].any(axis=0)
    index[~free.repeat(index.shape[1], axis=0).reshape(index.shape)] = 0
    _silence_under_kept(opened, index, shift, bars, rows)
    index[local[~(index[local] > 0).any(axis=(1, 2))]] = 0
    position = np.full(count, NO_POSITION, dtype=np.int64)
    position[local] = GRID if opened.score.timing == "notated" else ANY_POSITION
    if after < count:
        position[after] = ANY_POSITION
    return replace(masks, pitch_index=index, position_index=position)


def _silence_under_kept(opened: Opened, index: np.ndarray, shift: int, bars: np.ndarray, rows: np.ndarray) -> None:
    """In parts of one note at a time, no new note begins in a quarter that a note which stays fills."""
    begin = np.cumsum(opened.piece.bars[:, BAR_COLUMN["length"]].astype(np.int64)) - opened.piece.bars[:, BAR_COLUMN["length"]]
    for part in np.flatnonzero(opened.single & opened.cells[bars].any(axis=0)):
        mine = rows[rows[:, PART] == part]
        onset = begin[mine[:, BAR]] + mine[:, POSITION]
        end = onset + DURATIONS[mine[:, DURATION]]
        for bar in bars:
            quarters = begin[bar] + STEPS_PER_QUARTER * np.arange(index.shape[1])
            full = ((onset[:, None] <= quarters) & (end[:, None] >= quarters + STEPS_PER_QUARTER)).any(axis=0)
            index[bar - shift, full, part] = 0


def _without_doubles(new: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """New rows but those that double a row that stands (same bar, position, part and pitch)."""
    known = {tuple(r) for r in rows[:, :4].tolist()}
    return new[[tuple(r) not in known for r in new[:, :4].tolist()]] if len(new) else new


def _sorted(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort((rows[:, PITCH], rows[:, PART], rows[:, POSITION], rows[:, BAR]))]


# ---------------------------------------------------------------- joining


def join(opened: Opened, rows: np.ndarray) -> Score:
    """The score with its selected notes replaced by new rows; all other notes, marks and bars as they were."""
    score = opened.score
    kept = score.notes[~opened.selection.gone]
    new = fitted(score, kept, new_notes(opened, rows), opened)
    return score.replace(notes=np.concatenate([kept, new]), marks=marks_after(score, opened.selection, kept, new))


def marks_after(score: Score, selection: Selection, kept: np.ndarray, new: np.ndarray) -> tuple[Mark, ...]:
    """The marks of a score whose selected notes have been replaced: those on notes that went go with them, but slurs that
    reach out of the selection are held by the nearest note."""
    struck = {p: np.unique(np.concatenate([n["onset"][n["part"] == p] for n in (kept, new)])) for p in selection.parts}
    stays = {p: set(kept["onset"][kept["part"] == p].tolist()) for p in selection.parts}

    def inside(mark: Mark, at: int) -> bool:
        return bool(selection.cells[score.bar_of(at), mark.part]) and at not in stays[mark.part]

    out = []
    for mark in score.marks:
        if mark.part not in stays or mark.kind not in ON_NOTES:
            out.append(mark)
            continue
        ends = [inside(mark, mark.onset), mark.end >= 0 and inside(mark, mark.end)]
        if not any(ends):
            out.append(mark)
        elif mark.kind == "slur" and not all(ends) and len(struck[mark.part]):
            places = struck[mark.part]
            if ends[0]:
                mark = replace(mark, onset=int(places[min(np.searchsorted(places, mark.onset), len(places) - 1)]))
            else:
                mark = replace(mark, end=int(places[max(np.searchsorted(places, mark.end, side="right") - 1, 0)]))
            out += [mark] if mark.onset < mark.end else []
    return tuple(out)


def new_notes(opened: Opened, rows: np.ndarray) -> np.ndarray:
    """NOTE array of new rows on the score's own ticks, not yet fitted among the notes that stay."""
    score = opened.score
    bars = score.bars[opened.home[rows[:, BAR]]]
    per_step = score.ticks_per_quarter / STEPS_PER_QUARTER
    steps = opened.offset[rows[:, BAR]] + rows[:, POSITION]
    onset = bars["onset"] + np.floor(steps * per_step + 0.5).astype(np.int64)
    end = bars["onset"] + np.floor((steps + DURATIONS[rows[:, DURATION]]) * per_step + 0.5).astype(np.int64)
    last = bars["onset"] + bars["duration"] - 1
    onset = np.minimum(onset, last)
    return notes_array(
        onset=onset, duration=np.maximum(end - onset, 1), pitch=rows[:, PITCH], velocity=velocity_of(rows[:, VELOCITY]),
        part=np.array(opened.order)[rows[:, PART]], spelling=UNSPELLED,
    )  # fmt: skip


def fitted(score: Score, kept: np.ndarray, new: np.ndarray, opened: Opened) -> np.ndarray:
    """New notes that leave those that stay alone: cut where their stretch of bars ends, where a line or their own pitch is
    struck again; none where one is still sounding."""
    cells = opened.selection.cells
    reach = reach_of(score, cells)[score.bar_of(new["onset"]), new["part"]]
    new["duration"] = np.maximum(np.minimum(new["duration"], reach - new["onset"]), 1)
    single = {opened.order[p] for p in np.flatnonzero(opened.single)}
    out = []
    for part in np.unique(new["part"]):
        mine, old = new[new["part"] == part], kept[(kept["part"] == part) & ~kept["grace"]]
        if int(part) in single:
            out.append(_fit_line(mine, old, slack(score)))
            continue
        for pitch in np.unique(mine["pitch"]):
            out.append(_fit_line(mine[mine["pitch"] == pitch], old[old["pitch"] == pitch], 0))
    return np.concatenate(out) if out else new


def _fit_line(new: np.ndarray, old: np.ndarray, slack: int) -> np.ndarray:
    """New notes of one line between old ones: those under a sounding old note go (or wait up to ``slack`` ticks of the same
    pitch), the others end where the next note begins."""
    new = new[np.argsort(new["onset"], kind="stable")].copy()
    ends = old["onset"].astype(np.int64) + old["duration"]
    for note in new:
        sounding = (old["onset"] <= note["onset"]) & (ends > note["onset"] + slack)
        same = (old["pitch"] == note["pitch"]) & (old["onset"] <= note["onset"]) & (ends > note["onset"])
        if sounding.any():
            note["duration"] = 0
        elif same.any():
            late = int(ends[same].max()) - int(note["onset"])
            note["onset"], note["duration"] = note["onset"] + late, max(int(note["duration"]) - late, 0)
    new = new[new["duration"] > 0]
    starts = np.unique(np.concatenate([new["onset"], old["onset"]]))
    following = np.searchsorted(starts, new["onset"], side="right")
    room = np.r_[starts, np.iinfo(np.int32).max][following] - new["onset"]
    new["duration"] = np.minimum(new["duration"], room)
    return new

"""A score laid out around a selection: its rows, which of them go, and where new ones may stand.

Bars of the encoding and of the score are matched here; nothing is sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zhiyin.encoding import EncodedPiece, encode, quantize
from zhiyin.encoding.fields import DRUM_PROGRAM, MAX_BAR_STEPS, MAX_PARTS, STEPS_PER_QUARTER
from zhiyin.encoding.rows import BAR, PART
from zhiyin.errors import EncodingError
from zhiyin.inference.controls import Key
from zhiyin.inference.instruments import Instrument, part_instrument
from zhiyin.inference.past import kept_parts, key_of, played_instrument
from zhiyin.inference.selection import Selection, reach_of
from zhiyin.measures.key import with_keys
from zhiyin.score import Score
from zhiyin.score.named_parts import part_title

GAP = 2  # given bars between two written ones that one run steps over


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
        return [part_title(self.score, p) for p in self.order]

    @property
    def runs(self) -> list[np.ndarray]:
        """Bars (rows of the table) that are written, in stretches with at most ``GAP`` given bars inside."""
        rows = np.flatnonzero(self.cells.any(axis=1))
        return np.split(rows, np.flatnonzero(np.diff(rows) > GAP + 1) + 1)


def open_score(score: Score, selection: Selection) -> Opened:
    """Lays a score out around a selection. Selected parts without notes are laid out too (their instrument by name or program).

    Raises EncodingError where a selected bar has no length on the grid, or more than 32 parts are needed.
    """
    keyed = with_keys(score)
    marked = keyed.notes.copy()
    marked["staff"] = selection.gone  # travels through the grid
    grid, _ = quantize(keyed.replace(notes=marked), close_gaps=False)
    piece, _ = encode(grid, close_gaps=False)
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
            "The score cannot be laid out", expected="bars of at least 1/24 quarter where something is written",
            received="a shorter one", hint="choose other bars",
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

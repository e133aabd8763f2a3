"""What of a score is to be written anew: bars, parts, single notes; and what is locked.

A selection says in which bars of which parts new notes may begin, and which notes go. Notes that are tied out of the
selected bars stay: their end is heard in bars that nobody asked to change. Nothing here samples.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zhiyin.errors import ControlError
from zhiyin.score import Score
from zhiyin.score.named_parts import named_parts, part_titles

_SPAN = re.compile(r"\s*(?:bars?\s*)?(\d+)\s*(?:(?:-|–|\.\.)\s*(\d+)\s*)?")


@dataclass(frozen=True)
class Selection:
    """cells: bool (bars, parts), where new notes may begin. gone: bool (notes,), notes that go (graces among them)."""

    cells: np.ndarray
    gone: np.ndarray

    @property
    def bars(self) -> np.ndarray:
        """Rows of the bar table that are written in, in order."""
        return np.flatnonzero(self.cells.any(axis=1))

    @property
    def parts(self) -> list[int]:
        """Parts that are written in, in order."""
        return [int(p) for p in np.flatnonzero(self.cells.any(axis=0))]


def select(
    score: Score, span: str | None = None, parts: Sequence[str | int] = (), *, lock: Sequence[str] = ()
) -> Selection:
    """The notes of a span of bars ("5-8", several with commas; None = all bars) in some parts (none named = all).

    lock: parts and spans that stay as they are. Raises ControlError for bars and parts that are not there.
    """
    bars = np.ones(len(score.bars), dtype=bool) if span is None else find_bars(score, span)
    chosen = np.ones(len(score.parts), dtype=bool)
    if parts:
        chosen[:] = False
        chosen[[row for p in parts for row in named_parts(str(p), part_titles(score))]] = True
    cells = bars[:, None] & chosen[None, :]
    if not cells.any():
        raise ControlError("Nothing is selected", expected="at least one bar of one part", received="none")
    return select_cells(score, without_locked(score, cells, lock))


def without_locked(score: Score, cells: np.ndarray, lock: Sequence[str]) -> np.ndarray:
    """Cells without those of locked parts and spans of bars. bool (bars, parts)."""
    if not lock:
        return cells
    cells = cells.copy()
    for name in lock:
        if _SPAN.fullmatch(name.split(",")[0]) and not any(p.name.casefold() == name.casefold() for p in score.parts):
            cells[find_bars(score, name)] = False
        else:
            cells[:, named_parts(name, part_titles(score))] = False
    if not cells.any():
        raise ControlError(
            "Everything that was selected is locked", expected="at least one bar of one part that is not locked",
            received="--lock " + " --lock ".join(lock), hint="leave out one of --lock, --span and --part",
        )  # fmt: skip
    return cells


def select_cells(score: Score, cells: np.ndarray) -> Selection:
    """The notes that begin in cells (bool (bars, parts)), but those that are tied out of their stretch of bars."""
    notes = score.notes
    inside = cells[score.bar_of(notes["onset"]), notes["part"]]
    late = notes["onset"] >= int(score.bars["onset"][-1] + score.bars["duration"][-1])
    return Selection(cells, inside & ~late & ~tied_out(score, cells))


def select_notes(score: Score, gone: np.ndarray) -> Selection:
    """A mask of notes (bool (notes,)); new ones may begin in the bars and parts of those that go."""
    cells = np.zeros((len(score.bars), len(score.parts)), dtype=bool)
    cells[score.bar_of(score.notes["onset"][gone]), score.notes["part"][gone]] = True
    return Selection(cells, gone.copy())


def tied_out(score: Score, cells: np.ndarray) -> np.ndarray:
    """Which notes begin in their part's cells and sound on in a bar that is none of them (bool (notes,))."""
    notes = score.notes
    end = notes["onset"].astype(np.int64) + notes["duration"]
    return end > reach_of(score, cells)[score.bar_of(notes["onset"]), notes["part"]] + slack(score)


def reach_of(score: Score, cells: np.ndarray) -> np.ndarray:
    """Ticks where the stretch of selected bars that each cell lies in ends, int64 (bars, parts); a bar's own end elsewhere."""
    ends = (score.bars["onset"].astype(np.int64) + score.bars["duration"])[:, None]
    reach = np.repeat(ends, cells.shape[1], axis=1)
    for row in range(len(reach) - 2, -1, -1):
        reach[row] = np.where(cells[row] & cells[row + 1], reach[row + 1], reach[row])
    return reach


def slack(score: Score) -> int:
    """Ticks that a played note may hang over a bar line without being tied over it: a sixteenth, none in notation."""
    return 0 if score.timing == "notated" else score.ticks_per_quarter // 4


def find_bars(score: Score, span: str) -> np.ndarray:
    """Rows of bars that a span names by their printed numbers: "7", "5-8", "1-2,9-12". bool (bars,).

    Where the numbers begin anew (movements in one file), the first bars that are called so are meant.
    """
    number = score.bars["number"]
    movement = np.cumsum(np.r_[False, np.diff(number) < 0])
    first, last = int(number.min()), int(number.max())
    out = np.zeros(len(number), dtype=bool)
    for piece in span.split(","):
        found = _SPAN.fullmatch(piece)
        if not found:
            raise ControlError(
                "The span cannot be read", expected="bars as in 5-8, 7 or 1-2,9-12", received=repr(span),
            )  # fmt: skip
        low, high = int(found[1]), int(found[2] or found[1])
        if low > high:
            raise ControlError("The span ends before it begins", expected="as in 5-8", received=repr(piece.strip()))
        rows = (number >= low) & (number <= high)
        if low < first or high > last or not rows.any():
            upbeat = " (bar 0 is the upbeat)" if first == 0 else ""
            raise ControlError(
                "The span lies outside the piece", expected=f"bars {first} to {last}{upbeat}", received=piece.strip(),
                hint="zhiyin show FILE says how many bars there are",
            )  # fmt: skip
        out |= rows & (movement == movement[np.argmax(rows)])
    return out


def movements(score: Score) -> int:
    """How often the bar numbers begin anew, the first time counted."""
    return 1 + int((np.diff(score.bars["number"]) < 0).sum())

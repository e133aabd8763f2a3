"""Mends kern bars whose lines do not add up in time, within bounds, and says which. Knows the walk, not the file.

A bar counts as damaged when neither its lines nor its columns agree on the time (see ``kern_walk``). In such a bar the
lines have the word: what stands on one line begins together, where most of its columns expect it; a note that would
still sound then is cut, and a column that said too little falls silent until it speaks again. Where the columns are
evenly divided, notes are cut if a column holds more than the meter, else silence is put in. The bar ends where the
meter says when a column ends there, else where most columns end. Bars before and after stay as they are read.
Notes without a note value get one from their line, else from the note before. Columns that do not fit are not mended.
"""

from __future__ import annotations

import re
from collections import Counter

from zhiyin.errors import FormatError
from zhiyin.formats.kern_bars import meter_changes
from zhiyin.formats.kern_parts import Place
from zhiyin.formats.kern_spines import Column, Layout, Table
from zhiyin.formats.kern_tokens import parse_token
from zhiyin.formats.kern_walk import Walked, Walker

MOST_BARS, MOST_SHARE, ALWAYS = 24, 0.05, 3  # damaged bars of a file: at most 24 and 5 %, but three always
MOST_VALUES = 64  # notes of a file that lack a note value
_LOOK_BACK = 2_000  # notes looked at to find the one that a column still holds
_NUMBER = re.compile(r"\d+")
_VALUE = re.compile(r"\d+(?:%\d+)?")
_PITCH_OR_REST = re.compile(r"[a-gA-Gr]")


def mended_walk(table: Table, places: dict[int, Place], name: str) -> tuple[Walked, str]:
    """Walks a table, mending what is damaged; (what was found, what was mended in words, "" for nothing).

    Raises the first FormatError where a fault is of another kind, and one of its own where too much is damaged.
    """
    try:
        walker, lent = Walker(table, places, name), 0
    except FormatError:
        lent = lend_values(table)
        if not lent:
            raise
        walker = Walker(table, places, name)
    damaged: dict[int, FormatError] = {}
    while True:
        try:
            walked = walker.walk()
            break
        except FormatError as problem:
            if problem is not walker.doubt or walker.bar_row in damaged:
                raise
            damaged[walker.bar_row] = problem
        if len(damaged) > MOST_BARS:
            raise _too_much(name, f"more than {MOST_BARS}", damaged)
        walker = MendingWalker(table, places, name, frozenset(damaged))
    if len(damaged) > max(ALWAYS, MOST_SHARE * len(walked.barlines)):
        raise _too_much(name, f"{len(damaged)} of about {len(walked.barlines)}", damaged)
    return walked, _in_words(table, damaged, lent)


class MendingWalker(Walker):
    """A walker that lets the lines have the word in the bars behind the rows ``damaged``."""

    def __init__(self, table: Table, places: dict[int, Place], name: str, damaged: frozenset[int]) -> None:
        super().__init__(table, places, name)
        self.damaged = damaged
        self.overfull = (-2, False)  # (bar row, whether a column there holds more than the meter)

    def _data(self, number: int, tokens: list[str], layout: Layout) -> None:
        if self.bar_row not in self.damaged:
            super()._data(number, tokens, layout)
            return
        heard = [(tokens[i], column) for i, column in layout.kern if tokens[i] not in (".", "")]
        others = [(column, tokens[i]) for i, column in layout.others if tokens[i] not in (".", "")]
        if not heard:
            self.pending.append(others)
            return
        self._flush()
        time = self._line_time([column for text, column in heard if self.tokens[text][0]])
        for text, column in heard:
            ticks, end = self.tokens[text][0], column.end
            if ticks and end > time:
                self._cut(column, time)
            self._sound(time, column, self.tokens[text])
            if not ticks:
                column.end = end
        for column, text in others:
            self._other(time, column, text)
        later = [column.end for _, column in layout.kern if column.end > time]
        if later and any(self.tokens[text][0] for text, _ in heard):
            self.row_time, self.time = time, min(later)

    def _line_time(self, columns: list[Column]) -> int:
        """When a line sounds: at the bar line if it is the bar's first, else where most of its columns expect it."""
        if self.time == self._bar_onset():
            return self.time
        ends = Counter(column.end for column in columns if column.end >= self.time)
        sign = -1 if self._is_overfull() else 1
        return max(ends, key=lambda e: (ends[e], sign * e), default=self.time)

    def _is_overfull(self) -> bool:
        if self.overfull[0] != self.bar_row:
            held: Counter[int] = Counter()
            for _, tokens, layout in self.table.rows[self.bar_row + 1 :]:
                if tokens[0][:1] == "=":
                    break
                if tokens[0][:1] not in ("*", "!"):
                    for i, column in layout.kern:
                        held[id(column)] += self.tokens[tokens[i]][0] if tokens[i] not in (".", "") else 0
            self.overfull = (self.bar_row, max(held.values(), default=0) > self._nominal())
        return self.overfull[1]

    def _bar_onset(self) -> int:
        return self.out.barlines[-1][0] if self.out.barlines else 0

    def _nominal(self) -> int:
        """Ticks of a bar as the meter has it; of a 4/4 bar where none is stated."""
        meters = meter_changes(self.out)
        numerator, denominator = meters[-1][1] if meters else (4, 4)
        return 4 * self.out.unit * numerator // denominator

    def _settle(self) -> None:
        if self.bar_row not in self.damaged or self.layout is None:
            super()._settle()
            return
        self._flush()
        end = self._bar_end(self.layout)
        for _, column in self.layout.kern:
            if column.end > end and self._speaks_next(column):
                self._cut(column, end)
            column.end = max(column.end, end)
        self.time = self.row_time = end

    def _bar_end(self, layout: Layout) -> int:
        """Where the bar ends: as the meter says when a column ends there, else where most columns do (the later)."""
        onset = self._bar_onset()
        ends = Counter(column.end for _, column in layout.kern if column.end > self.row_time)
        if onset + self._nominal() in ends:
            return onset + self._nominal()
        return max(ends, key=lambda e: (ends[e], e), default=self.time)

    def _speaks_next(self, column: Column) -> bool:
        """Whether the column has a note or rest of its own on the first line of notes after this bar line."""
        for _, tokens, layout in self.table.rows[self.row + 1 :]:
            if tokens[0][:1] in ("*", "=", "!"):
                continue
            found = next((i for i, c in layout.kern if c is column), None)
            return found is None or tokens[found] not in (".", "")
        return False

    def _cut(self, column: Column, time: int) -> None:
        """Ends at ``time`` the notes that the column still holds, and their open ties."""
        notes, durations = self.out.notes, self.out.durations
        held = set()
        for index in range(len(notes) - 1, max(-1, len(notes) - 1 - _LOOK_BACK), -1):
            onset, _, track, layer, _, grace = notes[index]
            if track == column.track and layer == column.layer and not grace and onset + durations[index] == column.end:
                durations[index] = max(time - onset, 1)
                held.add(index)
        for key, open_ties in self.ties.items():
            self.ties[key] = [(t[0], time, *t[2:]) if t[0] in held else t for t in open_ties]
        column.end = time


def lend_values(table: Table) -> int:
    """Gives notes without a note value one (in place); how many. 0 when too many lack one.

    The value is that of another note of their line, else of the last note of their column, else a quarter. What has
    neither pitch nor rest (``[/``) becomes nothing (``.``).
    """
    lent = 0
    last: dict[int, str] = {}
    for _, tokens, layout in table.rows:
        if tokens[0][:1] in ("*", "=", "!"):
            continue
        lacking = []
        for i, column in layout.kern:
            if tokens[i] in (".", ""):
                continue
            try:
                if parse_token(tokens[i]).duration:
                    last[id(column)] = _VALUE.search(tokens[i]).group()  # type: ignore[union-attr]
            except (ValueError, ZeroDivisionError, OverflowError):
                lacking.append((i, column))
        here = next((last[id(c)] for i, c in layout.kern if _VALUE.search(tokens[i])), "")
        for i, column in lacking:
            value = here or last.get(id(column), "4")
            tokens[i] = value + tokens[i] if _PITCH_OR_REST.search(tokens[i]) else "."
            last[id(column)] = value
            lent += 1
        if lent > MOST_VALUES:
            return 0
    return lent


def _too_much(name: str, count: str, damaged: dict[int, FormatError]) -> FormatError:
    first = next(iter(damaged.values()))
    return FormatError(
        f"{name}: too much is damaged",
        expected=f"at most {ALWAYS} bars, or {MOST_SHARE:.0%} of them, whose rhythm does not add up",
        received=f"{count}; the first: {first.what}",
        hint="check the file with a Humdrum editor, for example verovio.humdrum.org",
    )


def _in_words(table: Table, damaged: dict[int, FormatError], lent: int) -> str:
    said = []
    if damaged:
        bars = ", ".join(f"{_bar_name(table, row)} ({p.what.rpartition(' at ')[2]})" for row, p in damaged.items())
        said.append(f"rhythm that does not add up in {'bar' if len(damaged) == 1 else 'bars'} {bars}")
    if lent:
        said.append(f"{lent} notes without a note value")
    return "; ".join(said)


def _bar_name(table: Table, row: int) -> str:
    found = _NUMBER.search(table.rows[row][1][0]) if row >= 0 else None
    return found.group() if found else "before the first bar line" if row < 0 else "without a number"

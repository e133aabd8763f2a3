"""Walks the rows of a Humdrum table through time: tokens -> notes, marks and bar lines at exact ticks."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from zhiyin.errors import FormatError
from zhiyin.formats.kern_parts import Place
from zhiyin.formats.kern_spines import DYNAM, LYRIC, Column, Layout, Table
from zhiyin.formats.kern_tokens import TIE_END, TIE_NONE, KernToken, parse_token
from zhiyin.score.score import Mark

MAX_OPEN_SLURS = 64
MAX_UNIT = 10**18  # ticks to the quarter while walking
_DYNAMIC = re.compile(r"[mpfszr]+")
_DYNAMICS = frozenset(
    [
        "ppppp",
        "pppp",
        "ppp",
        "pp",
        "p",
        "mp",
        "mf",
        "f",
        "ff",
        "fff",
        "ffff",
        "fffff",
        "sf",
        "sfz",
        "sff",
        "sffz",
        "fz",
        "fp",
        "ffp",
        "pf",
        "rf",
        "rfz",
        "sfp",
        "sfpp",
        "mfp",
        "fzp",
        "sfzp",
        "mfz",
        "ffz",
    ]
)


@dataclass(slots=True)
class Walked:
    """What was found, in ticks of ``unit`` to the quarter.

    notes: (onset, pitch, place index, layer, spelling, grace); durations: ticks of each; barlines: (tick, text);
    interpretations: (tick, track, text); end: last tick.
    """

    unit: int
    notes: list[tuple[int, int, int, int, int, bool]] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    barlines: list[tuple[int, str]] = field(default_factory=list)
    interpretations: list[tuple[int, int, str]] = field(default_factory=list)
    end: int = 0


class Walker:
    """Holds the clock and what is open: ties, slurs, hairpins."""

    def __init__(self, table: Table, places: dict[int, Place], name: str) -> None:
        self.table, self.places, self.name = table, places, name
        self.tokens, unit = _compile(table, name)
        self.out = Walked(unit)
        self.time = self.row_time = 0
        self.layout: Layout | None = None
        self.ties: dict[tuple[int, int], list[tuple[int, int, int, int]]] = {}
        self.slurs: dict[int, list[tuple[int, int]]] = {}
        self.hairpins: dict[int, tuple[int, str]] = {}
        self.pending: list[list[tuple[Column, str]]] = []
        self.doubt: FormatError | None = None
        self.row = self.bar_row = -1  # places in table.rows: the row read now, the last bar line

    def walk(self) -> Walked:
        """Goes through all rows once."""
        for row, (number, tokens, layout) in enumerate(self.table.rows):
            self.row = row
            if layout is not self.layout:
                self._enter(layout)
            first = tokens[0][:1]
            if first == "*":
                for column, token in zip(layout.columns, tokens):
                    if token != "*":
                        self.out.interpretations.append((self.time, column.track, token))
            elif first == "=":
                self._settle()
                self._flush()
                self.bar_row = self.row
                self.out.barlines.append((self.time, next((tokens[i] for i, _ in layout.kern), tokens[0])))
            elif first == "!":
                self._comment(tokens, layout)
            else:
                self._data(number, tokens, layout)
        self._settle()
        self._flush()
        self.out.end = max([self.time, *(c.end for _, c in self.layout.kern)] if self.layout else [0])
        for track in list(self.hairpins):
            self._close_hairpin(track, self.out.end)
        return self.out

    def _enter(self, layout: Layout) -> None:
        before = set(map(id, self.layout.columns)) if self.layout else set()
        self.layout = layout
        for column in layout.columns:
            if id(column) not in before:
                column.end = max((p.end for p in column.parents), default=self.time)
                column.sounded = False

    def _data(self, number: int, tokens: list[str], layout: Layout) -> None:
        if self.doubt:
            self._data_by_column(tokens, layout)
            return
        time, table, began, heard = self.time, self.tokens, False, False
        for i, column in layout.kern:
            text = tokens[i]
            if text == "." or not text:
                continue
            heard = True
            ticks, notes, plain, token = table[text]
            if ticks:
                if column.end > time:
                    self.doubt = self.doubt or self._clash(number, i, column, text)
                    self._sound(column.end, column, table[text])
                    continue
                column.end = time + ticks
                began = column.sounded = True
            place = self.places[column.track]
            for pitch, spelling, duration, tie, grace in notes:
                if tie == TIE_NONE:
                    self.out.notes.append((time, pitch, column.track, column.layer, spelling, grace))
                    self.out.durations.append(duration)
                else:
                    self._tied(time, column, place.part, pitch, spelling, duration, tie)
            if not plain:
                self._decorate(time, column, place, token)
        if not heard:
            self.pending.append([(c, tokens[i]) for i, c in layout.others if tokens[i] not in (".", "")])
            return
        self._flush()
        for i, column in layout.others:
            if tokens[i] != "." and tokens[i]:
                self._other(time, column, tokens[i])
        if began:
            self.row_time = time
            self.time = min([c.end for _, c in layout.kern if c.end > time])
            for i, column in layout.kern:
                if column.end <= time and column.sounded:
                    self.doubt = self.doubt or self._silent(number, i)

    def _data_by_column(self, tokens: list[str], layout: Layout) -> None:
        """In a bar whose lines contradict the durations, each column keeps its own time until the bar line."""
        time = self.time
        for i, column in layout.kern:
            if tokens[i] not in (".", ""):
                time = column.end
                self._sound(time, column, self.tokens[tokens[i]])
        for i, column in layout.others:
            if tokens[i] not in (".", ""):
                self._other(time, column, tokens[i])

    def _sound(self, time: int, column: Column, entry: tuple) -> None:
        ticks, notes, _, token = entry
        place = self.places[column.track]
        for pitch, spelling, duration, tie, grace in notes:
            if tie == TIE_NONE:
                self.out.notes.append((time, pitch, column.track, column.layer, spelling, grace))
                self.out.durations.append(duration)
            else:
                self._tied(time, column, place.part, pitch, spelling, duration, tie)
        self._decorate(time, column, place, token)
        column.end = time + ticks
        column.sounded = True

    def _settle(self) -> None:
        """At a bar line a doubtful bar is right after all when all its columns have the same length."""
        if self.doubt is None or self.layout is None:
            return
        ends = {c.end for _, c in self.layout.kern if c.sounded}
        if len(ends) != 1:
            raise self.doubt
        self.time = self.row_time = ends.pop()
        self.pending, self.doubt = [], None

    def _clash(self, number: int, i: int, column: Column, text: str) -> FormatError:
        left = Fraction(column.end - self.time, self.out.unit)
        return FormatError(
            f"{self.name}: the rhythm does not add up at line {number}",
            expected=f"'.' in column {i + 1}, whose last note still sounds for {left} quarters",
            received=repr(text[:40]),
            hint="compare the durations in this bar between the columns",
        )

    def _silent(self, number: int, i: int) -> FormatError:
        return FormatError(
            f"{self.name}: the rhythm does not add up at line {number}",
            expected=f"a note or rest in column {i + 1}, whose last note has ended",
            received="'.'",
            hint="compare the durations in this bar between the columns",
        )

    def _tied(self, time: int, column: Column, part: int, pitch: int, spelling: int, duration: int, tie: int) -> None:
        key = (part, pitch)
        index = self._open_tie(time, key, column) if tie > 1 else -1
        if index < 0:
            index = len(self.out.notes)
            self.out.notes.append((time, pitch, column.track, column.layer, spelling, False))
            self.out.durations.append(duration)
        else:
            self.out.durations[index] = time + duration - self.out.notes[index][0]
        if tie != TIE_END:
            self.ties.setdefault(key, []).append((index, time + duration, column.track, column.layer))

    def _open_tie(self, time: int, key: tuple[int, int], column: Column) -> int:
        waiting = [t for t in self.ties.get(key, ()) if t[1] >= time]
        found = [t for t in waiting if t[1] == time]
        best = max(found, key=lambda t: (t[2] == column.track, t[3] == column.layer), default=None)
        self.ties[key] = [t for t in waiting if t is not best]
        return best[0] if best else -1

    def _decorate(self, time: int, column: Column, place: Place, token: KernToken) -> None:
        voice = place.first_voice + column.layer
        opens, closes = token.slurs
        stack = self.slurs.setdefault(column.track, [])
        for _ in range(min(closes, len(stack))):
            at = next((k for k in range(len(stack) - 1, -1, -1) if stack[k][1] == voice), len(stack) - 1)
            onset, began_in = stack.pop(at)
            self.out.marks.append(Mark(onset, "slur", "", place.part, time, began_in, place.staff))
        stack.extend([(time, voice)] * opens)
        del stack[:-MAX_OPEN_SLURS]
        for kind, value in token.marks:
            self.out.marks.append(Mark(time, kind, value, place.part, -1, voice, place.staff))

    def _flush(self) -> None:
        """Rows with nothing new in the kern columns lie at equal steps between the rows around them."""
        count = len(self.pending)
        for k, row in enumerate(self.pending, 1):
            time = self.row_time + (self.time - self.row_time) * k // (count + 1)
            for column, text in row:
                self._other(time, column, text)
        self.pending = []

    def _other(self, time: int, column: Column, text: str) -> None:
        place = self.places.get(column.track)
        part, staff = (place.part, place.staff) if place else (-1, 0)
        if column.kind == LYRIC:
            value = text.lstrip("-") if text != "-" else ""
            if value and value != "_":
                self.out.marks.append(Mark(time, "lyric", value, part, staff=staff))
        elif column.kind == DYNAM:
            self._dynamic(time, column.track, part, staff, text)
        else:
            self.out.marks.append(Mark(time, "chord", text, part, staff=staff))

    def _dynamic(self, time: int, track: int, part: int, staff: int, text: str) -> None:
        ends = "[" in text or "]" in text
        if ends and not ("<" in text or ">" in text):
            self._close_hairpin(track, time)
        for found in _DYNAMIC.findall(text):
            if found in _DYNAMICS:
                self._close_hairpin(track, time)
                self.out.marks.append(Mark(time, "dynamic", found, part, staff=staff))
        if "<" in text or ">" in text:
            self._close_hairpin(track, time)
            self.hairpins[track] = (time, "crescendo" if "<" in text else "diminuendo")
            if ends:
                self._close_hairpin(track, self.time)

    def _close_hairpin(self, track: int, time: int) -> None:
        onset, value = self.hairpins.pop(track, (0, ""))
        if value and time > onset:
            place = self.places.get(track)
            part, staff = (place.part, place.staff) if place else (-1, 0)
            self.out.marks.append(Mark(onset, "hairpin", value, part, time, 0, staff))

    def _comment(self, tokens: list[str], layout: Layout) -> None:
        if tokens[0].startswith("!!!OMD"):
            word = tokens[0].partition(":")[2].strip()
            if word and "=" not in word:
                self.out.marks.append(Mark(self.time, "tempo", word))
            return
        for column, token in zip(layout.columns if len(tokens) > 1 else [None], tokens):
            value = layout_text(token)
            if value:
                place = self.places.get(column.track) if column else None
                part, staff = (place.part, place.staff) if place else (-1, 0)
                self.out.marks.append(Mark(self.time, "text", value, part, staff=staff))


def layout_text(token: str) -> str:
    """The words of a layout comment (``!LO:TX:a:t=dolce``), or nothing."""
    if "LO:TX" not in token:
        return ""
    found = re.search(r":t=(.*)", token)
    text = re.split(r":(?![ ])", found.group(1))[0].strip() if found else ""
    return "" if text == "P" else text.replace("&colon;", ":").replace("\\n", " ")


def _compile(table: Table, name: str) -> tuple[dict[str, tuple], int]:
    """Each kern token of the file with its times in ticks, and the ticks per quarter that make all of them exact."""
    where: dict[str, int] = {}
    for number, tokens, layout in table.rows:
        if tokens[0][:1] not in ("*", "=", "!"):
            for i, _ in layout.kern:
                if tokens[i] not in where:
                    where[tokens[i]] = number
    where.pop(".", None)
    where.pop("", None)
    parsed = {}
    for text, number in where.items():
        try:
            parsed[text] = parse_token(text)
        except (ValueError, ZeroDivisionError, OverflowError) as problem:
            raise FormatError(
                f"{name}: a note cannot be read at line {number}", expected="a kern note or rest such as '4cc#'",
                received=f"{text[:40]!r} ({problem})",
            ) from None  # fmt: skip
    unit = 1
    parts: list[Any] = [n for t in parsed.values() for n in (t, *t.notes)]
    for steps in {n.duration.denominator for n in parts}:
        unit = math.lcm(unit, steps)
        if unit > MAX_UNIT:
            raise FormatError(
                f"{name}: the durations have no common grid",
                expected=f"≤ {MAX_UNIT} steps to a quarter",
                received="more",
            )
    return {text: _in_ticks(token, unit) for text, token in parsed.items()}, unit


def _in_ticks(token: KernToken, unit: int) -> tuple:
    notes = tuple((n.pitch, n.spelling, int(n.duration * unit), n.tie, n.grace) for n in token.notes)
    return int(token.duration * unit), notes, not token.marks and token.slurs == (0, 0), token

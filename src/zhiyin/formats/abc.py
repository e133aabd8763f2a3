"""ABC text to scores (the writer is in abc_write): tunes of one or many voices, repeats kept as signs.

Own reader: against abc2midi it keeps spelling, chord symbols, repeats, pickups and exact lengths, and needs no second
program. Voices become parts; their bars are matched by number and a bar is as long as its longest voice. Grace notes
have no length. Not read: macros, parts (P:), symbol lines, clef transpositions; see ``metadata["ignored"]``.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np

from zhiyin.errors import FormatError
from zhiyin.formats.abc_parse import parse_tune
from zhiyin.formats.abc_tune import Bar, Event, Tune, Voice, split_tunes
from zhiyin.formats.abc_write import write_abc
from zhiyin.formats.files import read_bytes
from zhiyin.formats.limits import LIMITS, Limits, check
from zhiyin.formats.midi_bytes import decode_text
from zhiyin.score import Mark, Part, Score, bars_array, meter_ticks, notes_array, regular_bars
from zhiyin.score.dynamics import LEVELS

__all__ = ["read_abc", "read_abc_tunes", "write_abc"]

_BASE_TICKS, _MOST_TICKS = 480, 30_240
_DYNAMICS = frozenset(LEVELS) | {"pppp", "ffff", "sf", "sfz", "fz", "fp", "rf", "rfz"}
_ARTICULATIONS = {
    "staccato": "staccato", ".": "staccato", "accent": "accent", ">": "accent", "emphasis": "accent",
    "tenuto": "tenuto", "marcato": "marcato", "^": "marcato", "wedge": "staccatissimo",
    "upbow": "up-bow", "downbow": "down-bow",
    "open": "open-string", "snap": "snap-pizzicato", "plus": "stopped", "+": "stopped", "breath": "breath-mark",
}  # fmt: skip
_ORNAMENTS = {
    "trill": "trill", "roll": "roll", "turn": "turn", "invertedturn": "inverted-turn", "mordent": "mordent",
    "lowermordent": "mordent", "uppermordent": "inverted-mordent", "pralltriller": "inverted-mordent",
    "arpeggio": "arpeggio",
}  # fmt: skip
_JUMPS = {
    "segno": "Segno", "coda": "Coda", "fine": "Fine", "D.C.": "D.C.", "D.S.": "D.S.", "dacapo": "D.C.",
    "dacoda": "To Coda", "D.C.alfine": "D.C. al Fine", "D.S.alfine": "D.S. al Fine",
    "D.C.alcoda": "D.C. al Coda", "D.S.alcoda": "D.S. al Coda",
}  # fmt: skip
_HAIRPINS = {"crescendo": "crescendo", "<": "crescendo", "diminuendo": "diminuendo", ">": "diminuendo"}
_CHORD_SYMBOL = re.compile(r"[A-G](?:#|b|♯|♭)?[^\s.]*$|N\.?C\.?$")


def read_abc(source: str | Path | bytes, *, limits: Limits = LIMITS["abc"]) -> Score:
    """The first tune of an ABC file (a path) or of ABC text given as bytes."""
    tunes, name = _texts(source, limits)
    return _read_tune(tunes[0], name, limits)


def read_abc_tunes(source: str | Path | bytes, *, limits: Limits = LIMITS["abc"]) -> list[Score]:
    """All tunes of an ABC file (a path) or of ABC text given as bytes; an error names the tune."""
    tunes, name = _texts(source, limits)
    return [_read_tune(t, f"{name}, tune {i}" if len(tunes) > 1 else name, limits) for i, t in enumerate(tunes, 1)]


def _texts(source: str | Path | bytes, limits: Limits) -> tuple[list[str], str]:
    """The texts of the tunes and a name for errors."""
    name = "the ABC text" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else read_bytes(source, limits.bytes)
    check("bytes", len(data), limits, name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    tunes = split_tunes(text) if "\0" not in text else []
    if not tunes:
        raise FormatError(f"{name} has no ABC tune", expected="a line that begins with 'X:'", received=repr(text[:20]))
    return tunes, name


def _read_tune(text: str, name: str, limits: Limits) -> Score:
    try:
        return _Builder(parse_tune(text, limits.bars), name, limits).score()
    except FormatError as error:
        if error.what.startswith(name):
            raise
        what = f"{name}: {error.what}"
        raise FormatError(what, expected=error.expected, received=error.received, hint=error.hint) from None


class _Builder:
    """Puts the voices of a tune onto one table of bars in ticks."""

    def __init__(self, tune: Tune, name: str, limits: Limits) -> None:
        self.tune = tune
        self.voices = [v for v in tune.voices.values() if v.bars]
        if not any(e.pitches for v in self.voices for b in v.bars for layer in b.layers for e in layer):
            raise FormatError(f"{name} has no notes", expected="at least one note", received="none")
        check("parts", len(self.voices), limits, name)
        events = sum(len(layer) for v in self.voices for b in v.bars for layer in b.layers)
        check("notes", events, limits, name)
        count = max(len(v.bars) for v in self.voices)
        self.columns = [[v.bars[i] for v in self.voices if i < len(v.bars)] for i in range(count)]
        self.lengths = [max(b.length for b in bars) for bars in self.columns]
        self.tpq, self.rounded = self._resolution()
        self.onsets = [self._ticks(t) for t in _running(self.lengths)]
        self.starts = _running(self.lengths)
        self.rows: list[tuple[int, int, int, int, int, int, bool]] = []
        self.marks: list[Mark] = []
        self.assumed: list[str] = []

    def _resolution(self) -> tuple[int, bool]:
        """Ticks a quarter that hold every length, and whether times must be rounded all the same."""
        unit = _BASE_TICKS
        every = {e.length.denominator for v in self.voices for b in v.bars for layer in b.layers for e in layer}
        for denominator in every | {x.denominator for x in self.lengths}:
            unit = math.lcm(unit, denominator // math.gcd(denominator, 4))
            if unit > _MOST_TICKS:
                return _MOST_TICKS, True
        return unit, False

    def _ticks(self, whole_notes: Fraction) -> int:
        return int(whole_notes * 4 * self.tpq + Fraction(1, 2))

    def score(self) -> Score:
        """The finished score."""
        for part, voice in enumerate(self.voices):
            self._voice(part, voice)
        self._signs()
        bars = self._bars()
        metadata = self._metadata()
        columns = ("onset", "duration", "pitch", "part", "voice", "spelling", "grace")
        notes = notes_array(**{c: np.array([r[i] for r in self.rows]) for i, c in enumerate(columns)})
        parts = tuple(Part(v.name, v.program, v.drums) for v in self.voices)
        return Score(notes, bars, parts, self.tpq, tuple(self.marks), "notated", metadata)

    def _voice(self, part: int, voice: Voice) -> None:
        open_ties: dict[tuple[int, int], int] = {}
        slurs: list[int] = []
        hairpins: dict[str, int] = {}
        for i, bar in enumerate(voice.bars):
            for number, layer in enumerate(bar.layers, 1):
                at = self.starts[i]
                many = len(bar.layers) > 1
                for event in layer:
                    onset, end = self._ticks(at), self._ticks(at + event.length)
                    self._notes(event, onset, end, (part, number if many else 0), open_ties)
                    self._attached(event, onset, part, slurs, hairpins)
                    self._jumps(event, onset, end)
                    at += event.length

    def _notes(self, event: Event, onset: int, end: int, at: tuple[int, int], ties: dict[tuple[int, int], int]) -> None:
        for p in event.graces:
            self.rows.append((onset, 0, p.pitch, *at, p.spelling, True))
        for p in event.pitches:
            row = ties.pop((p.pitch, onset), -1)
            if row >= 0:
                self.rows[row] = (self.rows[row][0], end - self.rows[row][0], *self.rows[row][2:])
            else:
                row = len(self.rows)
                self.rows.append((onset, max(end - onset, 1), p.pitch, *at, p.spelling, False))
            if p.tied:
                ties[p.pitch, end] = row

    def _attached(self, event: Event, onset: int, part: int, slurs: list[int], hairpins: dict[str, int]) -> None:
        """Marks for what is attached to an event."""
        if event.lyric:
            self.marks.append(Mark(onset, "lyric", event.lyric, part))
        for text in event.quoted:
            kind = "chord" if _CHORD_SYMBOL.match(text) else "text"
            value = text if kind == "chord" else text.lstrip("^_<>@").strip()
            if value:
                self.marks.append(Mark(onset, kind, value, part))
        for word in event.decorations:
            self._decoration(word, onset, part, hairpins)
        for sign in event.slurs:
            if sign == "(":
                slurs.append(onset)
            elif slurs:
                self.marks.append(Mark(slurs.pop(), "slur", part=part, end=onset))

    def _jumps(self, event: Event, onset: int, end: int) -> None:
        """Segno and Coda stand where an event begins, the words that jump or stop where it ends."""
        for word in event.decorations:
            if word in _JUMPS:
                at = onset if word in ("segno", "coda") else end
                self.marks.append(Mark(at, "jump", _JUMPS[word]))

    def _decoration(self, word: str, onset: int, part: int, hairpins: dict[str, int]) -> None:
        name = word.rstrip("()")
        if word in _DYNAMICS:
            self.marks.append(Mark(onset, "dynamic", word, part))
        elif word.endswith("(") and name in _HAIRPINS:
            hairpins[_HAIRPINS[name]] = onset
        elif word.endswith(")") and _HAIRPINS.get(name) in hairpins:
            self.marks.append(Mark(hairpins.pop(_HAIRPINS[name]), "hairpin", _HAIRPINS[name], part, onset))
        elif word in ("fermata", "invertedfermata"):
            self.marks.append(Mark(onset, "fermata", part=part))
        elif word in _ARTICULATIONS:
            self.marks.append(Mark(onset, "articulation", _ARTICULATIONS[word], part))
        elif word in _ORNAMENTS:
            self.marks.append(Mark(onset, "ornament", _ORNAMENTS[word], part))
        elif word not in _JUMPS:
            self.tune.ignored.add(f"!{word}!")

    def _signs(self) -> None:
        """Repeats, endings and bar lines, from the first voice that has any in a bar."""
        end = self._ticks(self.starts[-1] + self.lengths[-1])
        edges = [*self.onsets, end]
        ending: tuple[int, str] | None = None
        section = -1  # a double bar that a repeat sign without a beginning goes back to
        for i, bars in enumerate(self.columns):
            opens = next((b.opens for b in bars if b.opens), [])
            closes = next((b.closes for b in bars if b.closes), [])
            if ending and opens:
                self._ending(ending, edges[i])
                ending = None
            for sign in opens:
                kind, _, numbers = sign.partition(":")
                if kind == "start":
                    section = -1
                    self.marks.append(Mark(edges[i], "repeat", "start"))
                else:
                    ending = (edges[i], numbers)
            for sign in closes:
                kind = "repeat" if sign.startswith("end") else "barline"
                if kind == "repeat" and section >= 0:
                    self.marks.append(Mark(section, "repeat", "start"))
                section = edges[i + 1] if kind == "barline" and "end" not in "".join(closes) else -1
                self.marks.append(Mark(edges[i + 1], kind, sign))
            if ending and (closes or i + 1 == len(self.columns)):
                self._ending(ending, edges[i + 1])
                ending = None

    def _ending(self, ending: tuple[int, str], end: int) -> None:
        self.marks.append(Mark(ending[0], "ending", ending[1], end=end))

    def _bars(self) -> np.ndarray:
        first: list[Bar] = [bars[0] for bars in self.columns]
        edges = [*self.onsets, self._ticks(self.starts[-1] + self.lengths[-1])]
        qpm = [next((float(b.qpm) for b in bars if b.qpm), 0.0) for bars in self.columns]
        current = 0.0
        for i, value in enumerate(qpm):
            current = qpm[i] = value or current
        upbeat = len(first) > 1 and self.lengths[0] < Fraction(*first[0].meter)
        if len(first) == 1 and self.lengths[0] > 2 * Fraction(*first[0].meter):
            return self._regular_bars(first[0], qpm[0], edges[1])
        return bars_array(
            np.diff(edges).tolist(),
            number=np.arange(len(first)) + (0 if upbeat else 1),
            meter_numerator=[b.meter[0] for b in first],
            meter_denominator=[b.meter[1] for b in first],
            key=[b.key[0] for b in first],
            mode=[b.key[1] for b in first],
            tempo_qpm=qpm,
        )

    def _regular_bars(self, bar: Bar, qpm: float, end: int) -> np.ndarray:
        """Bars of the meter under music without any bar line."""
        nominal = meter_ticks(*bar.meter, self.tpq)
        self.assumed.append("bar lines by the meter")
        count = -(-end // nominal)
        key, mode = bar.key
        return regular_bars(count, self.tpq, *bar.meter, key=key, mode=mode, tempo_qpm=qpm)

    def _metadata(self) -> dict[str, str]:
        names = {"T": "title", "C": "composer", "R": "rhythm", "O": "origin", "S": "source", "Z": "transcriber"}
        info = self.tune.info
        out = {names[k]: decode_text(v.encode()) for k, v in info.items() if k in names and v}
        if info.get("tempo"):
            self.marks.append(Mark(0, "tempo", info["tempo"]))
        if not self.tune.meter_given:
            self.assumed.append("meter 4/4")
        if self.assumed:
            out["assumed"] = "; ".join(self.assumed)
        if self.rounded:
            out["rounded"] = f"to {self.tpq} ticks a quarter"
        if self.tune.ignored:
            out["ignored"] = ", ".join(sorted(self.tune.ignored))
        return out


def _running(lengths: list[Fraction]) -> list[Fraction]:
    """Onsets from lengths."""
    out, now = [], Fraction(0)
    for length in lengths:
        out.append(now)
        now += length
    return out

"""One piece of music in memory: an immutable table of notes over an explicit table of bars.

All times are integer ticks (``ticks_per_quarter`` to the quarter note); seconds exist only through the tempo
map. Nothing here reads files or knows encodings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from zhiyin.errors import InputError

NOTE = np.dtype(
    [
        ("onset", "<i4"),  # ticks from the start of the piece
        ("duration", "<i4"),  # ticks, ties merged; 0 for grace notes
        ("pitch", "<i2"),  # MIDI number 0..127; for drum parts the General MIDI drum key
        ("velocity", "u1"),  # 1..127; 0 = the source gives none
        ("part", "<i2"),  # index into Score.parts
        ("voice", "u1"),  # 1.. within the part; 0 = not given
        ("staff", "u1"),  # 1 = top staff; 0 = not given
        ("spelling", "i1"),  # line of fifths: F=-1 C=0 G=1 D=2 … Bb=-2 F#=6; UNSPELLED = not given
        ("grace", "?"),  # grace note: onset of the note it ornaments, duration 0
    ]
)
UNSPELLED = -128

BAR = np.dtype(
    [
        ("onset", "<i4"),  # ticks
        ("duration", "<i4"),  # actual length in ticks; may differ from the meter's
        ("number", "<i4"),  # as a notation program shows it; an upbeat is 0
        ("meter_numerator", "<i2"),
        ("meter_denominator", "<i2"),
        ("key", "i1"),  # key signature in fifths, -7..7; UNKNOWN_KEY = not given
        ("mode", "i1"),  # 0 major, 1 minor, -1 not given
        ("tempo_qpm", "<f4"),  # quarters per minute at the bar's onset; 0 = not given
    ]
)
UNKNOWN_KEY = 127
DEFAULT_TEMPO_QPM = 120.0  # what "not given" sounds like (MIDI's own default)

Timing = Literal["notated", "performed", "unknown"]

MARK_KINDS = (
    "dynamic",  # value: ppp pp p mp mf f ff fff sf sfz fp …
    "hairpin",  # value: crescendo | diminuendo; end = where it ends
    "slur",  # end = onset of its last note
    "articulation",  # value: staccato accent tenuto marcato staccatissimo …
    "ornament",  # value: trill mordent turn …
    "fermata",
    "lyric",  # value: the syllable, with a trailing "-" where the word goes on
    "chord",  # value: chord symbol as written ("Dm7/F")
    "repeat",  # value: start | end (end carries times=2 unless "end:3")
    "ending",  # value: "1", "2", "1,2"; end = where the bracket ends
    "barline",  # value: double | final; onset = the bar line's place
    "jump",  # value: D.C. | D.S. | Fine | Coda | Segno …
    "text",  # words above or below the staff
    "tempo",  # value: the word ("Andante") and/or "=qpm"; a change inside a bar has "=qpm"
    "pedal",  # end = release
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark on the page. ``onset`` and ``end`` in ticks (end -1 = a point); part -1 = whole score."""

    onset: int
    kind: str
    value: str = ""
    part: int = -1
    end: int = -1
    voice: int = 0
    staff: int = 0
    pitch: int = -1  # the note it belongs to, where it belongs to one note of a chord


@dataclass(frozen=True, slots=True)
class Part:
    """A part (instrument or voice): its name, General MIDI program 0..127, drums or not."""

    name: str = ""
    program: int = 0
    drums: bool = False


@dataclass(frozen=True)
class Score:
    """An immutable piece of music.

    notes: structured array NOTE, shape (notes,), sorted by (onset, part, pitch), read-only.
    bars: structured array BAR, shape (bars,), contiguous (each bar starts where the last one ends), read-only.
    marks: sorted by onset. timing: ``notated`` (from a score), ``performed`` (played in), ``unknown``.
    metadata: title, composer, copyright, source … (strings).
    """

    notes: np.ndarray
    bars: np.ndarray
    parts: tuple[Part, ...]
    ticks_per_quarter: int
    marks: tuple[Mark, ...] = ()
    timing: Timing = "unknown"
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.notes.dtype != NOTE or self.bars.dtype != BAR:
            raise InputError(
                "Score tables have the wrong columns",
                expected="dtypes score.NOTE and score.BAR",
                received=f"{self.notes.dtype.names} and {self.bars.dtype.names}",
                hint="build notes with score.notes_array and bars with score.bars_array",
            )
        if self.ticks_per_quarter < 1:
            raise InputError("ticks_per_quarter out of range", expected="≥ 1", received=str(self.ticks_per_quarter))
        _check_notes(self.notes, len(self.parts))
        _check_bars(self.bars)
        order = np.lexsort((self.notes["pitch"], self.notes["part"], self.notes["onset"]))
        notes, bars = self.notes[order], self.bars.copy()
        notes.flags.writeable = bars.flags.writeable = False
        object.__setattr__(self, "notes", notes)
        object.__setattr__(self, "bars", bars)
        object.__setattr__(self, "marks", tuple(sorted(self.marks, key=lambda m: (m.onset, m.part, m.kind))))
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Lets a score cross a process boundary (its metadata view does not travel by itself)."""
        state = (self.notes, self.bars, self.parts, self.ticks_per_quarter, self.marks, self.timing)
        return (Score, (*state, dict(self.metadata)))

    @property
    def end(self) -> int:
        """Ticks of the end of the last bar (or of the last note where that is later)."""
        last_bar = int(self.bars["onset"][-1] + self.bars["duration"][-1]) if len(self.bars) else 0
        last_note = int((self.notes["onset"] + self.notes["duration"]).max()) if len(self.notes) else 0
        return max(last_bar, last_note)

    @property
    def bar_count(self) -> int:
        """Number of bars, an upbeat (bar 0) not counted."""
        return len(self.bars) - int(len(self.bars) > 0 and self.bars["number"][0] == 0)

    def bar_of(self, onset: np.ndarray | int) -> np.ndarray:
        """Row in ``bars`` that each onset (ticks) lies in; onsets past the end count to the last bar."""
        return np.maximum(np.searchsorted(self.bars["onset"], onset, side="right") - 1, 0)

    def bar_number(self, onset: int) -> int:
        """Number, as printed, of the bar that an onset (ticks) lies in."""
        return int(self.bars["number"][self.bar_of(onset)])

    @property
    def drums(self) -> np.ndarray:
        """Which parts are drums: bool (parts,)."""
        return np.array([p.drums for p in self.parts], dtype=bool)

    def tempo_map(self) -> np.ndarray:
        """Tempo changes as float array (changes, 2): onset in ticks, quarters per minute. First row at 0."""
        points: dict[int, float] = {0: DEFAULT_TEMPO_QPM}
        stated = self.bars[self.bars["tempo_qpm"] > 0]
        points |= dict(zip(stated["onset"].tolist(), stated["tempo_qpm"].tolist()))
        for mark in self.marks:
            if mark.kind == "tempo" and "=" in mark.value:
                points[mark.onset] = float(mark.value.rsplit("=", 1)[1])
        table = np.array(sorted(points.items()), dtype=np.float64)
        keep = np.r_[True, np.diff(table[:, 1]) != 0]
        return table[keep]

    def seconds(self, ticks: np.ndarray | float) -> np.ndarray:
        """Seconds from the start of the piece for times in ticks, through the tempo map."""
        table = self.tempo_map()
        per_tick = 60.0 / (table[:, 1] * self.ticks_per_quarter)
        starts = np.r_[0.0, np.cumsum(np.diff(table[:, 0]) * per_tick[:-1])]
        ticks = np.asarray(ticks, dtype=np.float64)
        i = np.maximum(np.searchsorted(table[:, 0], ticks, side="right") - 1, 0)
        return starts[i] + (ticks - table[i, 0]) * per_tick[i]

    def replace(self, **changes: Any) -> Score:
        """A new score with the given fields changed."""
        return replace(self, **changes)

    def transpose(self, semitones: int) -> Score:
        """Moves every pitched (not drum) note; keys and spellings move by the nearest fifths. Raises when a pitch leaves 0..127."""
        notes, bars = self.notes.copy(), self.bars.copy()
        drums = self.drums[notes["part"]]
        notes["pitch"][~drums] += semitones
        fifths = (semitones * 7 + 6) % 12 - 6
        known = bars["key"] != UNKNOWN_KEY
        if known.any():
            first = int(bars["key"][known][0])
            fifths -= 12 * round((first + fifths) / 12) if abs(first + fifths) > 6 else 0
            moved = bars["key"][known].astype(int) + fifths
            bars["key"][known] = np.where(np.abs(moved) > 7, moved - 12 * np.sign(moved), moved)
        spelled = (notes["spelling"] != UNSPELLED) & ~drums
        notes["spelling"][spelled] = np.clip(notes["spelling"][spelled].astype(int) + fifths, -30, 40)
        marks = tuple(m for m in self.marks if m.kind != "chord") if semitones else self.marks
        return self.replace(notes=notes, bars=bars, marks=marks)

    def with_resolution(self, ticks_per_quarter: int) -> Score:
        """The same music on another tick resolution, rounded to the nearest tick where it is coarser."""
        if ticks_per_quarter == self.ticks_per_quarter:
            return self
        scale = ticks_per_quarter / self.ticks_per_quarter

        def moved(ticks: np.ndarray) -> np.ndarray:
            return np.floor(ticks.astype(np.float64) * scale + 0.5).astype(np.int64)

        notes, bars = self.notes.copy(), self.bars.copy()
        for table in (notes, bars):
            onset, end = moved(table["onset"]), moved(table["onset"].astype(np.int64) + table["duration"])
            floor = 0 if table is bars else np.where(table["grace"], 0, 1)
            table["onset"], table["duration"] = onset, np.maximum(end - onset, floor)
        marks = tuple(
            Mark(
                round(m.onset * scale), m.kind, m.value, m.part, round(m.end * scale) if m.end >= 0 else -1,
                m.voice, m.staff, m.pitch,
            )
            for m in self.marks
        )  # fmt: skip
        return self.replace(notes=notes, bars=bars, marks=marks, ticks_per_quarter=ticks_per_quarter)


def _check_notes(notes: np.ndarray, part_count: int) -> None:
    if not len(notes):
        return
    for name, low, high in (
        ("onset", 0, 2**31 - 1),
        ("duration", 0, 2**31 - 1),
        ("pitch", 0, 127),
        ("velocity", 0, 127),
    ):
        column = notes[name]
        bad = (column < low) | (column > high)
        if bad.any():
            at = int(np.argmax(bad))
            raise InputError(
                f"{name} out of range",
                expected=f"{low}..{high}",
                received=f"{int(column[at])} at tick {int(notes['onset'][at])}, part {int(notes['part'][at])}",
            )
    if notes["part"].min() < 0 or notes["part"].max() >= part_count:
        raise InputError(
            "A note names a part that is not there",
            expected=f"0..{part_count - 1}",
            received=str(int(notes["part"].max())),
        )


def _check_bars(bars: np.ndarray) -> None:
    if not len(bars):
        raise InputError(
            "A score needs at least one bar",
            expected="≥ 1 bar",
            received="0 bars",
            hint="use bars_array or regular_bars",
        )
    if (bars["duration"] <= 0).any() or bars["onset"][0] != 0:
        raise InputError(
            "Bars must start at 0 and have a length",
            expected="first onset 0, durations > 0",
            received=f"first onset {int(bars['onset'][0])}, shortest {int(bars['duration'].min())}",
        )
    if (bars["onset"][1:] != bars["onset"][:-1] + bars["duration"][:-1]).any():
        raise InputError(
            "Bars must follow each other without gaps",
            expected="onset[i+1] = onset[i] + duration[i]",
            received=f"a gap or overlap among {len(bars)} bars",
        )


def notes_array(rows: Iterable[Mapping[str, Any]] | Sequence[tuple[int, int, int]] = (), **columns: Any) -> np.ndarray:
    """A NOTE array from columns (``onset=…, duration=…, pitch=…``), or from dicts or (onset, duration, pitch) tuples.

    Columns left out are "not given": velocity 0, part 0, voice 0, staff 0, spelling UNSPELLED, grace False.
    """
    if columns:
        size = max(np.size(v) for v in columns.values())
        out = np.zeros(size, dtype=NOTE)
        out["spelling"] = UNSPELLED
        for name, values in columns.items():
            out[name] = values
        return out
    listed = [r if isinstance(r, Mapping) else {"onset": r[0], "duration": r[1], "pitch": r[2]} for r in rows]
    out = np.zeros(len(listed), dtype=NOTE)
    out["spelling"] = UNSPELLED
    for i, row in enumerate(listed):
        for name, value in row.items():
            out[name][i] = value
    return out


def bars_array(durations: Sequence[int], **columns: Any) -> np.ndarray:
    """A BAR array from actual bar lengths in ticks; other columns by name, else not given (meter 4/4, numbers from 1)."""
    out = np.zeros(len(durations), dtype=BAR)
    out["duration"] = durations
    out["onset"] = np.r_[0, np.cumsum(durations)[:-1]] if len(durations) else []
    out["number"] = np.arange(1, len(durations) + 1)
    out["meter_numerator"], out["meter_denominator"] = 4, 4
    out["key"], out["mode"] = UNKNOWN_KEY, -1
    for name, values in columns.items():
        out[name] = values
    return out


def regular_bars(
    count: int, ticks_per_quarter: int, numerator: int = 4, denominator: int = 4, **columns: Any
) -> np.ndarray:
    """``count`` bars of one meter; further BAR columns by name (key, mode, tempo_qpm …)."""
    length = meter_ticks(numerator, denominator, ticks_per_quarter)
    return bars_array([length] * count, meter_numerator=numerator, meter_denominator=denominator, **columns)


def meter_ticks(numerator: int, denominator: int, ticks_per_quarter: int) -> int:
    """Nominal length of a bar in ticks."""
    return round(4 * ticks_per_quarter * numerator / denominator)

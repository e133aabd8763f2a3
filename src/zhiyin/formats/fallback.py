"""music21 as a second reader, where it is installed: odd MusicXML, other notation formats, and streams in memory.

The only file of the package that imports music21, and only when it is called. Slower than the own readers by a factor
of ten, and less is kept: notes with spelling, voices and staves, bars, meters, keys, tempi, dynamics, hairpins, slurs,
lyrics and chord symbols. music21 realises chord symbols as notes; they are marks here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import FormatError, InputError
from zhiyin.formats.exact_ticks import resolution
from zhiyin.score.dynamics import marks_to_velocity
from zhiyin.score.score import BAR, NOTE, UNKNOWN_KEY, Mark, Part, Score

_FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
_MAX_UNIT = 30_240
_DRUM_KEY = 38


def is_music21(thing: object) -> bool:
    """Whether ``thing`` is a music21 stream; music21 is not imported for the answer."""
    return any(c.__module__.startswith("music21.stream") for c in type(thing).__mro__)


def read_with_music21(source: str | Path) -> Score:
    """Reads any notation file that music21 knows, when it is installed."""
    music21 = _music21()
    try:
        stream = music21.converter.parse(str(source), forceSource=True)
    except Exception as problem:
        raise FormatError(
            f"{Path(source).name} cannot be read, not by music21 either", expected="a score file",
            received=f"{type(problem).__name__}: {str(problem)[:120]}",
        ) from None  # fmt: skip
    return from_music21(stream)


def from_music21(stream: Any) -> Score:
    """A music21 Score, Part, Measure or other stream as a Score; the stream is not changed. Ties are merged."""
    if not is_music21(stream):
        raise InputError(
            "Not a music21 stream", expected="a music21 Score, Part or Stream", received=type(stream).__name__
        )
    music21 = _music21()
    if isinstance(stream, music21.stream.Opus):
        if not len(stream.scores):
            raise FormatError("The music21 opus is empty", expected="at least one score", received="none")
        stream = stream.scores[0]
    sounding = stream.toSoundingPitch() if not _sounds(stream) else stream
    parts = list(sounding.parts) if isinstance(sounding, music21.stream.Score) and len(sounding.parts) else [sounding]
    return _Translator(music21, sounding, parts).score()


def _music21() -> Any:
    try:
        import music21
    except ImportError:
        raise InputError(
            "music21 is not installed", expected="the extra 'scores'", received="no module music21",
            hint="pip install 'zhiyin[scores]'",
        ) from None  # fmt: skip
    return music21


def _sounds(stream: Any) -> bool:
    return getattr(stream, "atSoundingPitch", "unknown") is True


class _Translator:
    """Turns the parts of one stream into tables; ``unit`` ticks to the quarter keep all its times."""

    def __init__(self, music21: Any, stream: Any, parts: list[Any]) -> None:
        self.m21, self.stream, self.parts = music21, stream, parts
        self.flat = [part.flatten() for part in parts]
        self.offsets: dict[int, Any] = {}
        unit = 1
        for flat in self.flat:
            for e in flat.notesAndRests:
                self.offsets[id(e)] = e.offset
                for time in (e.offset, e.duration.quarterLength):
                    unit = math.lcm(unit, Fraction(time).limit_denominator(1000).denominator)
                    unit = unit if unit <= _MAX_UNIT else _MAX_UNIT
        self.unit = resolution(unit)[0]

    def ticks(self, quarters: Any) -> int:
        return math.floor(Fraction(quarters) * self.unit + Fraction(1, 2))

    def score(self) -> Score:
        """The whole translation."""
        groups = self._groups()
        notes, marks, parts = [], [], []
        for index, members in enumerate(groups):
            parts.append(self._part(members))
            for staff, k in enumerate(members, 1):
                notes += self._notes(k, index, staff)
                marks += self._marks(k, index, staff)
        bars = self._bars()
        table = np.array(notes, dtype=NOTE) if notes else np.zeros(0, dtype=NOTE)
        if any(p.drums for p in parts):
            table["pitch"] = np.where(np.array([p.drums for p in parts])[table["part"]], _DRUM_KEY, table["pitch"])
        marks += self._structure()
        score = Score(table, bars, tuple(parts), self.unit, tuple(marks), "notated", self._metadata())
        return marks_to_velocity(score) if any(m.kind == "dynamic" for m in marks) else score

    def _groups(self) -> list[list[int]]:
        """Staves of one instrument together (music21's PartStaff), in the order of the score."""
        groups: list[list[int]] = []
        for i, part in enumerate(self.parts):
            name = str(part.id).rpartition("-Staff")[0]
            last = groups[-1] if groups else []
            if name and last and str(self.parts[last[0]].id).rpartition("-Staff")[0] == name:
                last.append(i)
            else:
                groups.append([i])
        return groups

    def _part(self, members: list[int]) -> Part:
        part = self.parts[members[0]]
        instrument = part.getInstrument(returnDefault=True)
        notes = [n for k in members for n in self.flat[k].notes]
        unpitched = sum(isinstance(n, self.m21.note.Unpitched | self.m21.percussion.PercussionChord) for n in notes)
        name = getattr(part, "partName", None) or instrument.partName or instrument.instrumentName or ""
        return Part(str(name), int(instrument.midiProgram or 0) % 128, 2 * unpitched > len(notes) > 0)

    def _notes(self, k: int, part: int, staff: int) -> list[tuple]:
        rows: list[list[Any]] = []
        waiting: dict[tuple[int, int], list[list[Any]]] = defaultdict(list)
        voices = self._voices(k)
        for element in self.flat[k].notes:
            if isinstance(element, self.m21.harmony.Harmony):
                continue
            onset, end = self.ticks(element.offset), self.ticks(element.offset + element.duration.quarterLength)
            grace = bool(element.duration.isGrace)
            for n in getattr(element, "notes", [element]):
                pitch = getattr(n, "pitch", None)
                midi, spelling = (pitch.midi, _spelling(pitch)) if pitch is not None else (_DRUM_KEY, -128)
                tie = n.tie.type if n.tie is not None and not grace else ""
                row = None
                if tie in ("stop", "continue") and waiting[midi, onset]:
                    row = waiting[midi, onset].pop(0)
                    row[1] = end - row[0]
                if row is None:
                    length = 0 if grace else max(end - onset, 1)
                    voice = voices.get(id(element), 1)
                    row = [onset, length, midi, 0, part, voice, staff, spelling, grace]
                    rows.append(row)
                if tie in ("start", "continue"):
                    waiting[midi, end].append(row)
        return [tuple(row) for row in rows if 0 <= row[2] <= 127]

    def _voices(self, k: int) -> dict[int, int]:
        """Number of the voice by the id of its note, where a bar has voices."""
        found: dict[int, int] = {}
        for measure in self.parts[k].getElementsByClass(self.m21.stream.Measure):
            for number, voice in enumerate(measure.voices, 1):
                found.update({id(n): min(number, 255) for n in voice.notes})
        return found

    def _marks(self, k: int, part: int, staff: int) -> list[Mark]:
        flat, m21 = self.flat[k], self.m21
        marks = [
            Mark(self.ticks(d.offset), "dynamic", str(d.value), part, staff=staff)
            for d in flat.getElementsByClass(m21.dynamics.Dynamic)
        ]
        for symbol in flat.getElementsByClass(m21.harmony.ChordSymbol):
            marks.append(Mark(self.ticks(symbol.offset), "chord", symbol.figure.replace("-", "b"), part, staff=staff))
        for n in flat.notes:
            onset = self.ticks(n.offset)
            for lyric in n.lyrics:
                if lyric.text:
                    goes_on = "-" if lyric.syllabic in ("begin", "middle") else ""
                    marks.append(Mark(onset, "lyric", lyric.text + goes_on, part, staff=staff))
            for expression in n.expressions:
                if isinstance(expression, m21.expressions.Fermata):
                    marks.append(Mark(onset, "fermata", "", part, staff=staff))
            marks += [
                Mark(onset, "articulation", a.name, part, staff=staff)
                for a in n.articulations
                if a.name in ("staccato", "accent", "tenuto", "staccatissimo")
            ]
        return marks + self._spans(k, part, staff)

    def _spans(self, k: int, part: int, staff: int) -> list[Mark]:
        marks, m21, flat = [], self.m21, self.flat[k]
        kinds = {m21.spanner.Slur: "slur", m21.dynamics.Crescendo: "hairpin", m21.dynamics.Diminuendo: "hairpin"}
        for cls, kind in kinds.items():
            value = {"slur": "", "hairpin": cls.__name__.lower()}[kind]
            for spanner in flat.getElementsByClass(cls):
                first, last = spanner.getFirst(), spanner.getLast()
                if first is None or last is None:
                    continue
                if id(first) not in self.offsets or id(last) not in self.offsets:
                    continue
                onset, end = self.offsets[id(first)], self.offsets[id(last)]
                end = end if kind == "slur" else end + last.duration.quarterLength
                marks.append(Mark(self.ticks(onset), kind, value, part, self.ticks(end), 0, staff))
        return marks

    def _bars(self) -> np.ndarray:
        first, m21 = self.parts[0], self.m21
        measures = list(first.getElementsByClass(m21.stream.Measure))
        last = max((flat.highestTime for flat in self.flat), default=0)
        if measures:
            edges = [self.ticks(m.offset) for m in measures]
            numbers = [int(m.number) for m in measures]
        else:
            meter = next(iter(self.flat[0].getElementsByClass(m21.meter.TimeSignature)), None)
            step = self.ticks(meter.barDuration.quarterLength if meter is not None else 4)
            edges = list(range(0, max(self.ticks(last), 1), max(step, 1)))
            numbers = list(range(1, len(edges) + 1))
        end = max(self.ticks(last), edges[-1] + 1)
        kept = [i for i in range(len(edges)) if ([*edges, end][i + 1] > edges[i])]
        bars = np.zeros(len(kept), dtype=BAR)
        onsets = [edges[i] for i in kept]
        onsets[0] = 0
        bars["onset"], bars["duration"] = onsets, np.diff([*onsets, end])
        bars["number"] = [numbers[i] for i in kept]
        bars["meter_numerator"], bars["meter_denominator"], bars["key"], bars["mode"] = 4, 4, UNKNOWN_KEY, -1
        for time, meter in self._changes(m21.meter.TimeSignature):
            here = bars["onset"] >= time
            bars["meter_numerator"][here], bars["meter_denominator"][here] = meter.numerator, meter.denominator
        for time, key in self._changes(m21.key.KeySignature):
            here = bars["onset"] >= time
            bars["key"][here] = max(-7, min(7, key.sharps))
            bars["mode"][here] = {"major": 0, "minor": 1}.get(str(getattr(key, "mode", "")), -1)
        for time, tempo in self._changes(m21.tempo.MetronomeMark):
            if tempo.getQuarterBPM():
                bars["tempo_qpm"][bars["onset"] >= time] = tempo.getQuarterBPM()
        return bars

    def _changes(self, cls: Any) -> list[tuple[int, Any]]:
        found = {}
        for flat in reversed(self.flat):
            for e in flat.getElementsByClass(cls):
                found[self.ticks(e.offset)] = e
        return sorted(found.items())

    def _structure(self) -> list[Mark]:
        marks = []
        for tick, tempo in self._changes(self.m21.tempo.MetronomeMark):
            if tempo.text and "=" not in tempo.text:
                marks.append(Mark(tick, "tempo", str(tempo.text)))
        for e in self.flat[0].getElementsByClass(self.m21.bar.Repeat):
            marks.append(Mark(self.ticks(e.offset), "repeat", "start" if e.direction == "start" else "end"))
        for m in self.parts[0].getElementsByClass(self.m21.stream.Measure):
            for side, onset in ((m.leftBarline, m.offset), (m.rightBarline, m.offset + m.duration.quarterLength)):
                if isinstance(side, self.m21.bar.Repeat):
                    value = "start" if side.direction == "start" else "end"
                    marks.append(Mark(self.ticks(onset), "repeat", value))
        return list(dict.fromkeys(marks))

    def _metadata(self) -> dict[str, str]:
        data = self.stream.metadata
        if data is None:
            return {}
        found = {"title": data.bestTitle, "composer": data.composer, "copyright": data.copyright}
        return {k: str(v) for k, v in found.items() if v}


def _spelling(pitch: Any) -> int:
    alter = round(pitch.accidental.alter) if pitch.accidental is not None else 0
    return _FIFTHS[pitch.step] + 7 * alter

"""Walks one part of a MusicXML score bar by bar: notes and marks at (bar, ticks inside the bar).

Where bars start in the score is known only when all parts are read, so that times stay relative to their bar here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree.ElementTree import Element

from zhiyin.errors import FormatError
from zhiyin.formats.musicxml_directions import (
    chord_symbol,
    dynamics,
    jump_of_sound,
    lyric_text,
    metronome_qpm,
    note_marks,
    words_kind,
)
from zhiyin.formats.musicxml_heads import PartHead
from zhiyin.formats.musicxml_values import divisions_of, key_of, meter_of, pitch_of, transposition_of

TIE_START, TIE_STOP = 1, 2
MAX_VOICES = 255
DEFAULT_DRUM_KEY = 38

Place = tuple[int, int]  # (index of the bar, ticks from its start)


class NoteRow(NamedTuple):
    """A note as it is written: ties not yet merged, pitch and spelling sounding."""

    bar: int
    onset: int
    duration: int
    pitch: int
    voice: int
    staff: int
    spelling: int
    grace: bool
    tie: int
    unpitched: bool


class MarkRow(NamedTuple):
    """A mark at a place; ``end`` (-1, 0) for a point."""

    at: Place
    kind: str
    value: str = ""
    voice: int = 0
    staff: int = 0
    end: Place = (-1, 0)


@dataclass(slots=True)
class PartEvents:
    """What one part holds; keys, meters, tempi: changes at places.

    lengths: ticks of each bar with its rests; sounding: ticks up to where its last note ends.
    """

    notes: list[NoteRow] = field(default_factory=list)
    marks: list[MarkRow] = field(default_factory=list)
    structure: list[MarkRow] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    sounding: list[int] = field(default_factory=list)
    keys: list[tuple[Place, int, int]] = field(default_factory=list)
    meters: list[tuple[int, int, int]] = field(default_factory=list)
    tempi: list[tuple[Place, float]] = field(default_factory=list)


class PartWalker:
    """Reads the bars of one part; ``unit``: ticks to the quarter that make all its durations exact."""

    def __init__(self, head: PartHead, unit: int, name: str) -> None:
        self.head, self.unit, self.name = head, unit, name
        self.out = PartEvents()
        self.divisions, self.bar, self.time, self.furthest, self.last_onset = 1, 0, 0, 0, 0
        self.last_end = self.stem_duration = 0
        self.chromatic = self.fifths = 0
        self.voices: dict[str, int] = {}
        self.open: dict[tuple[str, str], tuple[Place, str, int, int]] = {}
        self.early_stops: dict[tuple[str, str], tuple[Place, int]] = {}
        self.ending: tuple[Place, str] | None = None
        self.label = "1"

    def walk(self, bars: Sequence[Element]) -> PartEvents:
        """Goes through ``<measure>`` elements (or those of one part in a timewise score)."""
        handlers = {
            "note": self._note, "backup": self._backup, "forward": self._forward, "direction": self._direction,
            "attributes": self._attributes, "harmony": self._harmony, "barline": self._barline, "sound": self._sound,
        }  # fmt: skip
        for index, measure in enumerate(bars):
            self.bar, self.time, self.furthest, self.last_onset, self.last_end = index, 0, 0, 0, 0
            self.label = measure.get("number", str(index + 1))
            self.early_stops.clear()
            lines = []
            for element in measure:
                if element.tag == "barline":
                    lines.append(element)
                else:
                    handler = handlers.get(element.tag)
                    if handler is not None:
                        handler(element)
            for element in lines:
                self._barline(element)
            self.out.lengths.append(self.furthest)
            self.out.sounding.append(self.last_end)
        self._close_all()
        return self.out

    def _bad(self, what: str, received: str) -> FormatError:
        return FormatError(
            f"{self.name}: a note cannot be read in bar {self.label}, part {self.head.name!r}",
            expected=what,
            received=received[:60],
        )

    def _ticks(self, text: str | None) -> int:
        value: float
        try:
            value = int(text or "")
        except ValueError:
            try:
                value = float(text or "")
            except ValueError:
                raise self._bad("a duration in divisions", repr(text)) from None
        if not 0 <= value < 2**31:
            raise self._bad("a duration ≥ 0", repr(text))
        return (
            round(value * self.unit / self.divisions)
            if self.unit % self.divisions
            else int(value * (self.unit // self.divisions))
        )

    def _backup(self, element: Element) -> None:
        self.time = max(self.time - self._ticks(element.findtext("duration")), 0)

    def _forward(self, element: Element) -> None:
        self.time += self._ticks(element.findtext("duration"))
        self.furthest = max(self.furthest, self.time)

    def _note(self, element: Element) -> None:
        pitch = unpitched = notations = None
        grace = chord = cue = rest = False
        tie = staff = duration = 0
        voice_text, instrument = "1", ""
        lyrics: list[Element] = []
        for child in element:
            tag = child.tag
            if tag == "pitch":
                pitch = child
            elif tag == "duration":
                duration = self._ticks(child.text)
            elif tag == "voice":
                voice_text = child.text or "1"
            elif tag == "staff":
                staff = self._staff(child.text)
            elif tag == "chord":
                chord = True
            elif tag == "rest":
                rest = True
            elif tag == "notations":
                notations = child if notations is None else self._merged(notations, child)
            elif tag == "tie":
                tie |= TIE_START if child.get("type") == "start" else TIE_STOP if child.get("type") == "stop" else 0
            elif tag == "lyric":
                lyrics.append(child)
            elif tag == "grace":
                grace = True
            elif tag == "cue":
                cue = True
            elif tag == "unpitched":
                unpitched = child
            elif tag == "instrument":
                instrument = child.get("id", "")
        onset = self.last_onset if chord else self.time
        duration = 0 if grace else duration
        voice = self._voice(voice_text)
        if chord:
            duration = self.stem_duration
        if not chord:
            self.last_onset, self.stem_duration = onset, duration
            self.time += duration
            if self.time > self.furthest:
                self.furthest = self.time
        if not rest and not cue and (duration or grace) and (pitch is not None or unpitched is not None):
            self.last_end = max(self.last_end, onset + duration)
            if pitch is not None:
                number, spelling = self._pitch(pitch)
            else:
                number, spelling = self.head.drum_keys.get(instrument, DEFAULT_DRUM_KEY), -128
            self.out.notes.append(
                NoteRow(
                    self.bar,
                    onset,
                    duration,
                    number,
                    voice,
                    staff or 1,
                    spelling,
                    grace,
                    0 if grace else tie,
                    pitch is None,
                )
            )
        if notations is not None and not cue:
            self._notations(notations, (self.bar, onset), voice, staff or 1)
        for lyric in lyrics:
            text = lyric_text(lyric)
            if text:
                self.out.marks.append(MarkRow((self.bar, onset), "lyric", text, voice, staff or 1))

    @staticmethod
    def _merged(first: Element, second: Element) -> Element:
        both = Element("notations")
        both.extend([*first, *second])
        return both

    @staticmethod
    def _staff(text: str | None) -> int:
        text = (text or "").strip()
        return min(int(text), 255) if text.isascii() and text.isdigit() and len(text) < 6 else 1

    def _voice(self, text: str) -> int:
        known = self.voices.get(text)
        if known is None and len(self.voices) >= MAX_VOICES:
            return MAX_VOICES
        if known is None:
            plain = text.strip()
            number = int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 4 else 0
            if not 0 < number < 256 or number in self.voices.values():
                number = next((n for n in range(1, 256) if n not in self.voices.values()), 255)
            known = self.voices[text] = number
        return known

    def _pitch(self, element: Element) -> tuple[int, int]:
        try:
            number, spelling = pitch_of(element)
        except ValueError:
            received = " ".join((c.text or "").strip() for c in element)
            raise self._bad("a step A..G, an octave and an alteration", received) from None
        number += self.chromatic
        if not 0 <= number <= 127:
            raise self._bad("a pitch in MIDI's 0..127", str(number))
        return number, spelling + self.fifths

    def _notations(self, notations: Element, at: Place, voice: int, staff: int) -> None:
        for element in notations:
            if element.tag == "slur":
                self._span(("slur", element.get("number", "1")), element.get("type", ""), at, "", voice, staff)
            elif element.tag == "tied" and element.get("type") in ("start", "stop") and self.out.notes:
                self._tied(at, TIE_START if element.get("type") == "start" else TIE_STOP)
        for kind, value in note_marks(notations):
            self.out.marks.append(MarkRow(at, kind, value, voice, staff))

    def _tied(self, at: Place, flag: int) -> None:
        """``<tied>`` counts where the file has no ``<tie>``."""
        last = self.out.notes[-1]
        if not last.grace and (last.bar, last.onset) == at and not last.tie & flag:
            self.out.notes[-1] = last._replace(tie=last.tie | flag)

    def _span(self, key: tuple[str, str], action: str, at: Place, value: str, voice: int, staff: int) -> None:
        kind = key[0]
        if action == "stop":
            found = self.open.pop(key, None)
            if found is None:
                self.early_stops[key] = (at, voice)
            elif at > found[0]:
                self.out.marks.append(MarkRow(found[0], kind, found[1], found[2], found[3], at))
        elif action in ("start", "crescendo", "diminuendo", "sostenuto"):
            early = self.early_stops.pop(key, None)
            if early is not None and early[0] > at:
                self.out.marks.append(MarkRow(at, kind, value, voice, staff, early[0]))
                return
            replaced = self.open.get(key)
            if replaced is not None and kind == "hairpin" and at > replaced[0]:
                self.out.marks.append(MarkRow(replaced[0], kind, replaced[1], replaced[2], replaced[3], at))
            self.open[key] = (at, value, voice, staff)

    def _close_all(self) -> None:
        for (kind, _), (at, value, voice, staff) in self.open.items():
            end = (self.bar, self.furthest)
            if kind != "slur" and end > at:
                self.out.marks.append(MarkRow(at, kind, value, voice, staff, end))

    def _harmony(self, element: Element) -> None:
        text = chord_symbol(element)
        if text:
            at = (self.bar, max(self.time + self._offset(element), 0))
            self.out.marks.append(MarkRow(at, "chord", text, 0, self._staff(element.findtext("staff"))))

    def _offset(self, element: Element) -> int:
        text = element.findtext("offset")
        try:
            return round(float(text) * self.unit / self.divisions) if text else 0
        except (ValueError, OverflowError):
            return 0

    def _direction(self, element: Element) -> None:
        at = (self.bar, max(self.time + self._offset(element), 0))
        staff = self._staff(element.findtext("staff"))
        sound = element.find("sound")
        qpm, jumps = (0.0, "") if sound is None else (self._sound_qpm(sound), jump_of_sound(sound))
        texts: list[str] = []
        for kind in element.iterfind("direction-type"):
            for sign in kind:
                qpm = self._sign(sign, at, staff, texts) or qpm
        words = " ".join(" ".join(texts).split())
        if words:
            said = "jump" if jumps else "tempo" if qpm and "=" not in words else words_kind(words)
            said = "text" if said == "tempo" and "=" in words else said
            row = MarkRow(at, said, words, 0, staff)
            (self.out.structure if said in ("jump", "tempo") else self.out.marks).append(row)
        elif jumps and jumps not in ("Coda", "Segno"):
            self.out.structure.append(MarkRow(at, "jump", jumps))
        if sound is not None and self._sound_qpm(sound):
            qpm = self._sound_qpm(sound)
        if qpm:
            self.out.tempi.append((at, qpm))

    def _sign(self, sign: Element, at: Place, staff: int, texts: list[str]) -> float:
        tag = sign.tag
        if tag == "dynamics":
            self.out.marks += [MarkRow(at, "dynamic", value, 0, staff) for value in dynamics(sign)]
        elif tag == "wedge":
            action = sign.get("type", "")
            self._span(("hairpin", sign.get("number", "1")), action, at, action, 0, staff)
        elif tag == "words":
            texts.append(sign.text or "")
        elif tag == "metronome":
            return metronome_qpm(sign)
        elif tag == "pedal":
            self._pedal(sign.get("type", ""), at, staff)
        elif tag in ("coda", "segno"):
            self.out.structure.append(MarkRow(at, "jump", tag.capitalize()))
        elif tag == "rehearsal" and (sign.text or "").strip():
            self.out.marks.append(MarkRow(at, "text", (sign.text or "").strip(), 0, staff))
        return 0.0

    def _pedal(self, action: str, at: Place, staff: int) -> None:
        key = ("pedal", "1")
        if action in ("stop", "change", "discontinue"):
            self._span(key, "stop", at, "", 0, staff)
        if action in ("start", "change", "sostenuto", "resume"):
            self._span(key, "start", at, "", 0, staff)

    def _sound(self, element: Element) -> None:
        at = (self.bar, max(self.time + self._offset(element), 0))
        qpm, jump = self._sound_qpm(element), jump_of_sound(element)
        if qpm:
            self.out.tempi.append((at, qpm))
        if jump:
            self.out.structure.append(MarkRow(at, "jump", jump))

    @staticmethod
    def _sound_qpm(element: Element) -> float:
        try:
            qpm = float(element.get("tempo") or 0)
        except ValueError:
            return 0.0
        return qpm if 0 < qpm < 10_000 else 0.0

    def _attributes(self, element: Element) -> None:
        for child in element:
            if child.tag == "divisions":
                self.divisions = divisions_of(child.text) or self.divisions
            elif child.tag == "transpose":
                self.chromatic, self.fifths = transposition_of(child)
        for child in element:
            if child.tag == "key":
                key = key_of(child, self.fifths)
                if key:
                    self.out.keys.append(((self.bar, self.time), *key))
            elif child.tag == "time":
                meter = meter_of(child)
                if meter:
                    self.out.meters.append((self.bar + (self.time > 0), *meter))

    def _barline(self, element: Element) -> None:
        left = element.get("location", "right") == "left"
        at = (self.bar, 0) if left else (self.bar, self.furthest)
        if element.get("location") == "middle":
            at = (self.bar, self.time)
        add = self.out.structure.append
        for child in element:
            if child.tag == "repeat":
                times = (child.get("times") or "2").strip()
                end = "end" if times == "2" or not times.isdigit() else f"end:{times}"
                add(MarkRow(at, "repeat", "start" if child.get("direction") == "forward" else end))
            elif child.tag == "ending":
                self._ending(child, at)
            elif (
                child.tag == "bar-style"
                and child.text in ("light-light", "light-heavy")
                and element.find("repeat") is None
            ):
                add(MarkRow(at, "barline", "double" if child.text == "light-light" else "final"))
            elif child.tag in ("segno", "coda"):
                add(MarkRow(at, "jump", child.tag.capitalize()))

    def _ending(self, element: Element, at: Place) -> None:
        if element.get("type") == "start":
            numbers = ",".join(re.findall(r"\d+", element.get("number", "")))
            self.ending = (at, numbers or "1")
        elif self.ending is not None:
            self.out.structure.append(MarkRow(self.ending[0], "ending", self.ending[1], end=at))
            self.ending = None

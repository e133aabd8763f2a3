"""Scores to ABC text: one voice per part, layers of a part with ``&``, ties over bar lines, tuplets where needed.

Accidentals are written whenever a reader could doubt them (ABC programs differ on whether one counts in other octaves).
Times finer than 1/24 of a quarter are rounded to that grid, unless the score's own grid is coarse enough to be exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.formats.abc_tune import LETTERS, parse_key
from zhiyin.formats.files import atomic_write
from zhiyin.formats.limits import LIMITS, check
from zhiyin.formats.meters import with_written_meters
from zhiyin.provenance.record import MARK, record_text
from zhiyin.score import UNKNOWN_KEY, UNSPELLED, Mark, Score

_FIFTH_LETTERS = "FCGDAEB"
_NATURAL = (0, 2, 4, 5, 7, 9, 11)
_SIGNS = {-2: "__", -1: "_", 0: "=", 1: "^", 2: "^^"}
_MAJORS = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")
_MINORS = ("Abm", "Ebm", "Bbm", "Fm", "Cm", "Gm", "Dm", "Am", "Em", "Bm", "F#m", "C#m", "G#m", "D#m", "A#m")
_UNIT = Fraction(1, 8)
_TUPLETS = ((3, 2), (5, 4), (7, 4), (9, 8))
_DECORATIONS = {
    "articulation": {
        "staccato": ".", "accent": "!accent!", "tenuto": "!tenuto!", "marcato": "!marcato!", "staccatissimo": "!wedge!",
        "up-bow": "!upbow!", "down-bow": "!downbow!",
    },
    "ornament": {
        "trill": "!trill!", "roll": "~", "turn": "!turn!", "inverted-turn": "!invertedturn!", "mordent": "!mordent!",
        "inverted-mordent": "!uppermordent!", "arpeggio": "!arpeggio!",
    },
    "jump": {
        "Segno": "!segno!", "Coda": "!coda!", "Fine": "!fine!", "D.C.": "!D.C.!", "D.S.": "!D.S.!",
        "To Coda": "!dacoda!",
        "D.C. al Fine": "!D.C.alfine!", "D.S. al Fine": "!D.S.alfine!",
        "D.C. al Coda": "!D.C.alcoda!", "D.S. al Coda": "!D.S.alcoda!",
    },
}  # fmt: skip
_ARRIVALS = ("Segno", "Coda")  # they stand at the note that follows; the other jumps at the one before
_DYNAMICS = frozenset(["pppp", "ppp", "pp", "p", "mp", "mf", "f", "ff", "fff", "ffff", "sfz"])


def write_abc(score: Score, path: str | Path, *, record: Mapping[str, Any] | None = None) -> Path:
    """Writes one tune as ABC 2.1 and returns its path; ``record`` travels as a ``%zhiyin:`` comment."""
    return atomic_write(path, abc_text(score, record=record))


def abc_text(score: Score, *, record: Mapping[str, Any] | None = None) -> str:
    """The text that ``write_abc`` writes."""
    for quantity, count in (("notes", len(score.notes)), ("bars", len(score.bars)), ("parts", len(score.parts))):
        check(quantity, count, LIMITS["abc"], "the score")
    score = _on_grid(with_written_meters(score, "ABC"))
    lines = _header(score)
    if record is not None:
        told = [f"% {_line(str(record['disclosure']))}"] if record.get("disclosure") else []
        lines[1:1] = [*told, f"%{MARK}{record_text(record)}"]
    for part in range(max(len(score.parts), 1)):
        lines += _VoiceWriter(score, part).lines()
    return "\n".join(lines) + "\n"


def _on_grid(score: Score) -> Score:
    """The score itself where its times are plain fractions of a quarter, else rounded to 24 steps a quarter."""
    times = np.concatenate([score.notes["onset"], score.notes["duration"], score.bars["duration"]])
    common = int(np.gcd.reduce(times[times > 0])) if (times > 0).any() else 1
    steps = Fraction(score.ticks_per_quarter, common)
    return score if steps.numerator <= 96 else score.with_resolution(24)


def _header(score: Score) -> list[str]:
    bar, words = score.bars[0], score.metadata
    lines = ["X:1", "T:" + _line(words.get("title", "Untitled"))]
    lines += [f"{k}:{_line(words[name])}" for k, name in (("C", "composer"), ("R", "rhythm")) if words.get(name)]
    lines += [f"M:{bar['meter_numerator']}/{bar['meter_denominator']}", "L:1/8"]
    tempo = next(
        (m.value for m in score.marks if m.kind == "tempo" and m.onset == 0 and not m.value.startswith("=")), ""
    )
    word = tempo.partition("=")[0].strip().replace('"', "'")
    qpm = score.tempo_map()[0, 1] if (score.bars["tempo_qpm"][:1] > 0).any() or "=" in tempo else 0
    if word or qpm:
        quoted = f'"{word}"' if word else ""
        lines.append("Q:" + " ".join(filter(None, [quoted, f"1/4={qpm:g}" if qpm else ""])))
    lines.append("K:" + _key_name(int(bar["key"]), int(bar["mode"])))
    return lines


def _line(text: str) -> str:
    return " ".join(text.split()).replace("%", "\\%")


def _key_name(key: int, mode: int) -> str:
    """Name of a key for ``K:``; a mode that is not given is written as major."""
    if key == UNKNOWN_KEY:
        return "none"
    return _MINORS[key + 7] if mode == 1 else _MAJORS[key + 7]


@dataclass(slots=True)
class _Piece:
    """A chord or rest inside one bar: offset and length in quarters, notes as (pitch, spelling, tied on)."""

    at: Fraction
    length: Fraction
    notes: list[tuple[int, int, bool]] = field(default_factory=list)
    first: bool = True  # False for the continuation of a tie
    onset: int = -1  # ticks, -1 for rests


class _VoiceWriter:
    """The ABC text of one part."""

    def __init__(self, score: Score, part: int) -> None:
        self.score, self.part, self.tpq = score, part, score.ticks_per_quarter
        own = score.notes[score.notes["part"] == part]
        self.graces = own[own["grace"]]
        self.notes = own[~own["grace"]]
        self.marks: dict[int, list[Mark]] = {}
        for m in score.marks:
            if m.part == part or (m.part < 0 and part == 0):
                self.marks.setdefault(m.onset, []).append(m)
        self.closing = {
            (m.end, m.kind, m.value) for m in score.marks if m.part == part and m.kind in ("slur", "hairpin")
        }
        self.signature: dict[str, int] = {}
        self.lyrics: list[str] = []
        self.used: set[tuple[int, str]] = set()

    def lines(self) -> list[str]:
        score = self.score
        head = []
        if len(score.parts) > 1 or (score.parts and score.parts[self.part].name):
            name = _line(score.parts[self.part].name).replace('"', "'")
            head.append(f"V:{self.part + 1}" + (f' name="{name}"' if name else ""))
        if score.parts and score.parts[self.part].drums:
            head.append("%%MIDI channel 10")
        elif score.parts and score.parts[self.part].program:
            head.append(f"%%MIDI program {score.parts[self.part].program}")
        bars = [self._bar(i) for i in range(len(score.bars))]
        out: list[str] = []
        for at in range(0, len(bars), 4):
            out.append(" ".join(text for text, _ in bars[at : at + 4]))
            words = " | ".join(" ".join(words) for _, words in bars[at : at + 4])
            if any(w not in ("*", "_") for _, words_ in bars[at : at + 4] for w in words_):
                out.append("w: " + words)
        return head + out

    def _bar(self, i: int) -> tuple[str, list[str]]:
        """Text of one bar with its signs, and its syllables."""
        score = self.score
        bar = score.bars[i]
        start, end = int(bar["onset"]), int(bar["onset"] + bar["duration"])
        self.signature = (parse_key(_key_name(int(bar["key"]), int(bar["mode"]))) or ((0, 0), {}))[1]
        self.said: dict[tuple[str, int], int] = {}  # in this layer
        self.heard: set[tuple[str, int]] = set()  # (letter, accidental) in any layer and octave of this bar
        self.syllables: list[str] = []
        layers = self._layers(start, end)
        texts = []
        for number, layer in enumerate(layers):
            self.said = {}
            texts.append(self._layer_text(layer, bar, main=number == 0))
        return self._opening(i) + " & ".join(texts) + " " + self._closing(i), self.syllables

    def _opening(self, i: int) -> str:
        """Repeat starts, ending numbers, and changes of meter, key and tempo before a bar."""
        bars, start = self.score.bars, int(self.score.bars["onset"][i])
        here = [m for m in self.score.marks if m.onset == start]
        out = "|:" if any(m.kind == "repeat" and m.value == "start" for m in here) else ""
        out += next((f"[{m.value} " for m in here if m.kind == "ending"), "")
        if i:
            now, before = bars[i], bars[i - 1]
            if (now["meter_numerator"], now["meter_denominator"]) != (
                before["meter_numerator"],
                before["meter_denominator"],
            ):
                out += f"[M:{now['meter_numerator']}/{now['meter_denominator']}]"
            if (now["key"], now["mode"]) != (before["key"], before["mode"]):
                out += f"[K:{_key_name(int(now['key']), int(now['mode']))}]"
            if now["tempo_qpm"] not in (0, before["tempo_qpm"]) and self.part == 0:
                out += f"[Q:1/4={now['tempo_qpm']:g}]"
        return out

    def _closing(self, i: int) -> str:
        end = int(self.score.bars["onset"][i] + self.score.bars["duration"][i])
        here = [m for m in self.score.marks if m.onset == end]
        for m in here:
            if m.kind == "repeat" and m.value.startswith("end"):
                times = int(m.value.partition(":")[2] or 2)
                return ":" * max(times - 1, 1) + "|"
        if any(m.kind == "barline" and m.value == "final" for m in here) or i + 1 == len(self.score.bars):
            return "|]"
        ends = any(m.kind == "ending" and m.end == end for m in self.score.marks)
        return "||" if ends or any(m.kind == "barline" for m in here) else "|"

    def _layers(self, start: int, end: int) -> list[list[_Piece]]:
        """The notes that sound in a bar, cut at its lines, as chords in as few layers as needed."""
        ends = self.notes["onset"] + self.notes["duration"]
        inside = self.notes[(self.notes["onset"] < end) & (ends > start)]
        chords: dict[tuple[int, int, int], _Piece] = {}
        for n in inside:
            onset, stop = int(n["onset"]), int(n["onset"] + n["duration"])
            a, b = max(onset, start), min(stop, end)
            piece = chords.setdefault(
                (a, b, int(n["voice"])), _Piece(self._q(a - start), self._q(b - a), first=onset >= start, onset=a)
            )
            piece.notes.append((int(n["pitch"]), self._spelling(n), stop > end))
            piece.first &= onset >= start
        layers: list[list[_Piece]] = []
        for _, piece in sorted(chords.items(), key=lambda c: (c[0][2], c[0][0], c[0][1])):
            free = (x for x in layers if x[-1].at + x[-1].length <= piece.at)
            layer = next(free, None)
            if layer is None:
                layers.append([piece])
            else:
                layer.append(piece)
        return [_with_rests(layer, self._q(end - start)) for layer in layers or [[]]]

    def _q(self, ticks: int) -> Fraction:
        return Fraction(ticks, self.tpq)

    def _spelling(self, note: np.void) -> int:
        """The note's place on the line of fifths; unspelled ones near the key's middle."""
        if int(note["spelling"]) != UNSPELLED and abs((int(note["spelling"]) + 1) // 7) <= 2:
            return int(note["spelling"])
        key = int(self.score.bars["key"][self.score.bar_of(int(note["onset"]))])
        centre = (key if key != UNKNOWN_KEY else 0) + 2
        fifths = int(note["pitch"]) * 7 % 12
        return fifths + 12 * round((centre - fifths) / 12)

    def _layer_text(self, layer: list[_Piece], bar: np.void, *, main: bool) -> str:
        out: list[str] = []
        beat = Fraction(3, 2) if bar["meter_denominator"] == 8 and bar["meter_numerator"] % 3 == 0 else Fraction(1)
        at = 0
        while at < len(layer):
            size, p, q = _tuplet_at(layer, at)
            if at and layer[at].at % beat == 0:
                out.append(" ")
            if size:
                out.append(f"({p}:{q}:{size}")
            for piece in layer[at : at + max(size, 1)]:
                factor = Fraction(p, q) if size else Fraction(1)
                out.append(self._piece(piece, piece.length * factor, main=main))
            at += max(size, 1)
        return "".join(out)

    def _piece(self, piece: _Piece, length: Fraction, *, main: bool) -> str:
        """A note, chord or rest with what is attached to it; ``length`` in quarters as written."""
        size = _length(length / 4 / _UNIT)
        attached = self._attached(piece) if main and piece.first and piece.onset >= 0 else ""
        if not piece.notes:
            return attached + "z" + size
        if main:
            self._sing(piece)
        graces = self._grace_text(piece) if piece.first else ""
        notes = [(self._pitch(p, s), tied) for p, s, tied in sorted(piece.notes)]
        closing = "".join(")" for e, k, _ in self.closing if main and piece.first and e == piece.onset and k == "slur")
        if len(notes) == 1:
            return attached + graces + notes[0][0] + size + ("-" if notes[0][1] else "") + closing
        inside = "".join(text + ("-" if tied else "") for text, tied in notes)
        return f"{attached}{graces}[{inside}]{size}{closing}"

    def _grace_text(self, piece: _Piece) -> str:
        here = self.graces[self.graces["onset"] == piece.onset]
        if not len(here) or (piece.onset, "grace") in self.used:
            return ""
        self.used.add((piece.onset, "grace"))
        return "{" + "".join(self._pitch(int(n["pitch"]), self._spelling(n)) for n in here) + "}"

    def _attached(self, piece: _Piece) -> str:
        """Chord symbols, text, dynamics, hairpins, articulations … at a piece's onset."""
        out = ""
        for word in ("crescendo", "diminuendo"):
            if (piece.onset, "hairpin", word) in self.closing:
                out += f"!{word})!"
        slurs = ""
        for m in self.marks.get(piece.onset, []):
            if m.kind in ("chord", "text") and m.value:
                text = m.value.replace('"', "'")
                out += f'"{text}"' if m.kind == "chord" else f'"^{text}"'
            elif m.kind == "dynamic" and m.value in _DYNAMICS:
                out += f"!{m.value}!"
            elif m.kind == "hairpin" and m.end > m.onset:
                out += f"!{m.value}(!"
            elif m.kind == "fermata":
                out += "!fermata!"
            elif m.kind == "slur" and m.end > m.onset:
                slurs += "("
            elif m.kind in _DECORATIONS and not (m.kind == "jump" and m.value not in _ARRIVALS):
                out += _DECORATIONS[m.kind].get(m.value, "")
        for m in self.marks.get(piece.onset + int(piece.length * self.tpq), []):
            if m.kind == "jump" and m.value not in _ARRIVALS:
                out += _DECORATIONS["jump"].get(m.value, "")
        return out + slurs

    def _sing(self, piece: _Piece) -> None:
        """Keeps the syllable of a piece for the line of words."""
        words = [m.value for m in self.marks.get(piece.onset, []) if m.kind == "lyric"] if piece.first else []
        word = words[0].strip().replace(" ", "~").replace("|", "") if words else ""
        if word.endswith("-"):
            self.syllables.append(word[:-1].replace("-", "\\-") + "-")
        else:
            self.syllables.append(word.replace("-", "\\-") or ("*" if piece.first else "_"))

    def _pitch(self, pitch: int, spelling: int) -> str:
        """A pitch with its accidental where a reader could doubt it."""
        letter = _FIFTH_LETTERS[(spelling + 1) % 7]
        alter = (spelling + 1) // 7
        octave = (pitch - alter - _NATURAL[LETTERS.index(letter)]) // 12 - 1
        doubtful = any(x == letter and a != alter for x, a in self.heard)
        needed = self.said.get((letter, octave), self.signature.get(letter, 0)) != alter
        sign = ""
        if needed or doubtful:
            sign = _SIGNS[alter]
            self.said[letter, octave] = alter
            self.heard.add((letter, alter))
        text = letter.lower() + "'" * (octave - 5) if octave >= 5 else letter + "," * (4 - octave)
        return sign + text


def _with_rests(layer: list[_Piece], length: Fraction) -> list[_Piece]:
    """A layer's pieces with rests between them, filling a bar of ``length`` quarters."""
    out: list[_Piece] = []
    now = Fraction(0)
    for piece in layer:
        if piece.at > now:
            out.append(_Piece(now, piece.at - now))
        out.append(piece)
        now = piece.at + piece.length
    if now < length:
        out.append(_Piece(now, length - now))
    return out


def _plain(time: Fraction) -> bool:
    """Whether a time in quarters needs no tuplet."""
    return time.denominator & (time.denominator - 1) == 0


def _tuplet_at(layer: list[_Piece], at: int) -> tuple[int, int, int]:
    """(pieces, p, q) of the shortest tuplet that begins at a piece, (0, 1, 1) where none does."""
    first = layer[at]
    if _plain(first.length) or not _plain(first.at):
        return 0, 1, 1
    for p, q in _TUPLETS:
        for size in range(1, min(len(layer) - at, 27) + 1):
            pieces = layer[at : at + size]
            if not all(_plain(x.length * Fraction(p, q)) for x in pieces):
                break
            if _plain(pieces[-1].at + pieces[-1].length):
                return size, p, q
    return 0, 1, 1


def _length(units: Fraction) -> str:
    """A length in units as ABC writes it."""
    top = "" if units.numerator == 1 else str(units.numerator)
    if units.denominator == 1:
        return top
    return f"{top}/" if units.denominator == 2 else f"{top}/{units.denominator}"

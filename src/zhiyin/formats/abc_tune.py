"""One ABC tune in memory (voices of bars of events), and the words of its fields that stand alone: keys, syllables.

Lengths are fractions of a whole note. Pitches carry their spelling. Knows no Score, no ticks and no music lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

from zhiyin.errors import FormatError

LETTERS = "CDEFGAB"
NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
_MODES = {"maj": 0, "ion": 0, "m": -3, "min": -3, "aeo": -3, "mix": -1, "dor": -2, "phr": -4, "lyd": 1, "loc": -5}
ACCIDENTALS = {"": None, "=": 0, "^": 1, "^^": 2, "_": -1, "__": -2}


@dataclass(slots=True)
class Pitch:
    """One pitch: MIDI number, place on the line of fifths, whether it is tied on."""

    pitch: int
    spelling: int
    tied: bool
    place: tuple[str, int]  # letter and octave, by which ties and accidentals find each other


@dataclass(slots=True)
class Event:
    """A note, a chord or a rest (no pitches), and what is attached to it."""

    length: Fraction
    pitches: list[Pitch] = field(default_factory=list)
    graces: list[Pitch] = field(default_factory=list)
    decorations: list[str] = field(default_factory=list)
    quoted: list[str] = field(default_factory=list)
    lyric: str = ""
    slurs: list[str] = field(default_factory=list)  # "(" opens at it, ")" closes at it


@dataclass(slots=True)
class Bar:
    """One bar of one voice: layers of events that all begin with the bar, and the signs at its two ends."""

    meter: tuple[int, int]
    key: tuple[int, int]
    layers: list[list[Event]] = field(default_factory=lambda: [[]])
    qpm: Fraction | None = None
    opens: list[str] = field(default_factory=list)  # "start", "ending:1"
    closes: list[str] = field(default_factory=list)  # "end", "end:3", "double", "final", "stop" (of an ending)

    @property
    def length(self) -> Fraction:
        """The longest layer, in whole notes."""
        return max((sum((e.length for e in layer), Fraction(0)) for layer in self.layers), default=Fraction(0))


@dataclass(slots=True)
class Voice:
    """A voice: its bars, name, and MIDI program."""

    name: str = ""
    program: int = 0
    drums: bool = False
    bars: list[Bar] = field(default_factory=list)


@dataclass
class Tune:
    """A parsed tune."""

    voices: dict[str, Voice] = field(default_factory=dict)
    info: dict[str, str] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)
    meter: tuple[int, int] = (4, 4)
    meter_given: bool = False


def split_tunes(text: str) -> list[str]:
    """The tunes of an ABC file, each from its ``X:`` line on, the file's header put before each."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    pieces = re.split(r"(?m)^(?=X:)", text)
    head = "".join(line + "\n" for line in pieces[0].split("\n") if re.match(r"[A-Za-z]:|%%", line))
    return [head + p for p in pieces[1:]]


def parse_key(value: str) -> tuple[tuple[int, int], dict[str, int]] | None:
    """((fifths, mode 0 major / 1 minor / -1 other), accidental by letter) of a K: field; None where it names no key."""
    text = value.strip()
    if text[:2] in ("HP", "Hp"):
        return (2, -1), {"F": 1, "C": 1}
    if text.lower().startswith("none") or not text:
        return (0, -1), {}
    match = re.match(r"([A-G])([#b]?)\s*([A-Za-z]*)", text)
    if match is None:
        return None
    word = match[3].lower()
    mode = "m" if word == "m" else word[:3]
    if mode and mode not in _MODES:
        mode = ""
    fifths = FIFTHS[match[1]] + {"": 0, "#": 7, "b": -7}[match[2]] + _MODES[mode or "maj"]
    if not -7 <= fifths <= 7:
        raise FormatError("Unknown key", expected="at most seven sharps or flats", received=repr(value))
    order = "FCGDAEB"
    signature = dict.fromkeys(order[: max(fifths, 0)], 1) | dict.fromkeys(order[7 + min(fifths, 0) :], -1)
    for sign, letter in re.findall(r"(?<![\w=])(\^\^|\^|__|_|=)([A-Ga-g])\b", text):
        signature[letter.upper()] = ACCIDENTALS[sign] or 0
    kind = {"": 0, "maj": 0, "ion": 0, "m": 1, "min": 1, "aeo": 1}.get(mode, -1)
    return (fifths, kind), signature


def set_lyrics(line: list[Event], text: str) -> None:
    """Sets syllables on the notes of the music line above, in the manner of ``w:`` lines."""
    notes = iter([e for e in line if e.pitches])
    for token in re.findall(r"[^\s\-_*|~]+(?:~[^\s\-_*|]+)*|[\-_*|]", text.replace("\\-", "‑")):
        if token == "|":
            continue
        if token == "-":
            continue
        event = next(notes, None)
        if event is None:
            return
        if token not in "_*":
            event.lyric = token.replace("~", " ").replace("‑", "-")
    _mark_hyphens(line, text)


def _mark_hyphens(line: list[Event], text: str) -> None:
    """Gives a syllable its "-" where the word goes on."""
    syllables = re.findall(r"([^\s\-_*|]+)(\s*-)?", text.replace("\\-", "‑"))
    sung = [e for e in line if e.lyric]
    for event, (_, hyphen) in zip(sung, syllables):
        if hyphen:
            event.lyric += "-"

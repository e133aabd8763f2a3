"""Chord symbols as musicians write them ("Dm7/F"): which pitch classes they ask for, which bass, and how a chord is named.

Symbols: a root A..G with # or b, a kind from ``KINDS``, added or altered notes in the forms add9, sus4, b5, #9, (no3), and
a bass after a slash. "N.C." is no chord. Nothing here knows time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from zhiyin.errors import ControlError

# Kinds by spelling: semitones above the root. The first spelling of a set is the one that is written.
KINDS: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7), "m": (0, 3, 7), "dim": (0, 3, 6), "aug": (0, 4, 8), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10), "m7b5": (0, 3, 6, 10), "dim7": (0, 3, 6, 9), "mMaj7": (0, 3, 7, 11), "aug7": (0, 4, 8, 10),
    "6": (0, 4, 7, 9), "m6": (0, 3, 7, 9), "9": (0, 4, 7, 10, 2), "maj9": (0, 4, 7, 11, 2), "m9": (0, 3, 7, 10, 2),
    "11": (0, 4, 7, 10, 2, 5), "m11": (0, 3, 7, 10, 2, 5), "13": (0, 4, 7, 10, 2, 9), "sus4": (0, 5, 7), "sus2": (0, 2, 7),
    "7sus4": (0, 5, 7, 10), "5": (0, 7), "add9": (0, 4, 7, 2), "6/9": (0, 4, 7, 9, 2),
}  # fmt: skip
_SAME = {
    "M": "", "maj": "", "major": "", "min": "m", "-": "m", "minor": "m", "mi": "m", "o": "dim", "°": "dim", "+": "aug",
    "M7": "maj7", "Maj7": "maj7", "ma7": "maj7", "Δ": "maj7", "Δ7": "maj7", "j7": "maj7", "min7": "m7", "-7": "m7",
    "mi7": "m7", "ø": "m7b5", "ø7": "m7b5", "min7b5": "m7b5", "m7-5": "m7b5", "o7": "dim7", "°7": "dim7", "+7": "aug7",
    "7#5": "aug7", "mM7": "mMaj7", "m(maj7)": "mMaj7", "sus": "sus4", "M9": "maj9", "69": "6/9", "dom7": "7", "min6": "m6",
    "-6": "m6", "min9": "m9", "-9": "m9",
}  # fmt: skip
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SIGNS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1, "##": 2, "bb": -2}
_SYMBOL = re.compile(r"^([A-G])(##|bb|[#b♯♭])?(.*?)(?:/([A-G])(##|bb|[#b♯♭])?)?$")
_CHANGE = re.compile(r"^\(?(add|no|omit|sus)?([#b♯♭+-]?)(\d{1,2})\)?")
_DEGREES = {1: 0, 2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 7: 10, 9: 2, 11: 5, 13: 9}
NO_CHORD = ("N.C.", "NC", "N", "n.c.")
_SHARP_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_FLAT_NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_USUAL = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


@dataclass(frozen=True)
class Chord:
    """A chord: its symbol, root pitch class, pitch classes (root first, without a foreign bass), and bass pitch class."""

    symbol: str
    root: int
    classes: tuple[int, ...]
    bass: int

    @property
    def third(self) -> int:
        """3 minor, 4 major, 0 where it has neither."""
        inside = {(c - self.root) % 12 for c in self.classes}
        return 4 if 4 in inside else 3 if 3 in inside else 0

    @property
    def quality(self) -> str:
        """The nearest of ``encoding.fields.CHORD_QUALITIES``."""
        inside = {(c - self.root) % 12 for c in self.classes}
        if self.third == 3:
            return "diminished" if 6 in inside and 7 not in inside else "minor seventh" if 10 in inside else "minor"
        if 8 in inside and 7 not in inside:
            return "augmented"
        return "seventh" if 10 in inside else "major seventh" if 11 in inside else "major"


def parse_chord(symbol: str) -> Chord | None:
    """The chord of a symbol, None for "N.C."; ControlError for what is not a chord symbol."""
    text = symbol.strip().replace("♯", "#").replace("♭", "b")
    if text in NO_CHORD:
        return None
    match = _SYMBOL.match(text.replace("6/9", "69"))
    inside = _kind(match.group(3)) if match else None
    if match is None or inside is None:
        raise ControlError(
            f"{symbol!r} is not a chord symbol",
            expected="a root A..G with # or b, a kind such as m, 7, maj7, m7, dim, aug, sus4, add9, a bass after a slash",
            received=repr(symbol),
            hint='as in --chords "Dm | G7 C/E | C"; N.C. is no chord',
        )
    root = (_LETTERS[match.group(1)] + _SIGNS[match.group(2) or ""]) % 12
    bass = (_LETTERS[match.group(4)] + _SIGNS[match.group(5) or ""]) % 12 if match.group(4) else root
    return Chord(text, root, tuple((root + i) % 12 for i in inside), bass)


def _kind(text: str) -> tuple[int, ...] | None:
    """Semitones above the root of a kind and what is added to it, None where it cannot be read."""
    text = text.strip()
    known = {**KINDS, **{name: KINDS[same] for name, same in _SAME.items()}}
    for length in range(len(text), -1, -1):
        if text[:length] in known:
            inside = _changed(known[text[:length]], text[length:])
            if inside is not None:
                return inside
    return None


def _changed(inside: tuple[int, ...], rest: str) -> tuple[int, ...] | None:
    """A kind with added, altered and left-out notes."""
    tones = list(inside)
    while rest:
        match = _CHANGE.match(rest)
        if match is None or int(match.group(3)) not in _DEGREES:
            return None
        word, sign, degree = match.group(1) or "", match.group(2), int(match.group(3))
        plain = _DEGREES[degree] + (11 - 10 if degree == 7 and sign == "" and word == "add" else 0)
        tone = (plain + {"#": 1, "+": 1, "b": -1, "-": -1}.get(sign, 0)) % 12
        if word in ("no", "omit"):
            tones = [t for t in tones if t not in ((3, 4) if degree == 3 else (plain,))]
        elif word == "sus":
            tones = [t for t in tones if t not in (3, 4)] + [tone]
        else:
            tones = [t for t in tones if not (sign and degree == 5 and t == 7)] + [tone]
        rest = rest[match.end() :]
    return tuple(dict.fromkeys(tones)) or None


def pitch_class_name(pitch_class: int, fifths: int | None = None) -> str:
    """A pitch class as a key signature (fifths) spells it; its commonest name where no key is known."""
    if fifths is None or fifths == 0:
        return _USUAL[pitch_class]
    inside = {(fifths * 7 + 7 * i - 7) % 12: fifths + i - 1 for i in range(7)}  # line of fifths of the scale's notes
    if pitch_class in inside:
        at = inside[pitch_class]
        return "FCGDAEB"[(at + 1) % 7] + ("#" * ((at + 1) // 7) if at >= 0 else "b" * -((at + 1) // 7))
    return (_FLAT_NAMES if fifths < 0 else _SHARP_NAMES)[pitch_class]


def chord_name(root: int, kind: str, bass: int | None = None, fifths: int | None = None) -> str:
    """The symbol of a root pitch class, a kind of ``KINDS`` and a bass, spelled in a key (fifths)."""
    slash = "" if bass is None or bass == root else f"/{pitch_class_name(bass, fifths)}"
    return f"{pitch_class_name(root, fifths)}{kind}{slash}"

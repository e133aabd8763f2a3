"""One data token of a Humdrum ``**kern`` spine -> what it says. Knows the letters, not the spines or the time line.

The same few thousand tokens make up most of a collection, so parsed tokens are kept in a bounded cache.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from zhiyin.score.score import UNSPELLED

TIE_NONE, TIE_START, TIE_CONTINUE, TIE_END = 0, 1, 2, 3

_CACHE_LIMIT = 1 << 16
_RECIP = re.compile(r"(\d+)(?:%(\d+))?(\.*)")
_PITCH = re.compile(r"([a-gA-G])\1*(#+|-+|n)?")
_STEP = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_FIFTHS = {"f": -1, "c": 0, "g": 1, "d": 2, "a": 3, "e": 4, "b": 5}
_MARKS = (
    ("''", "articulation", "staccatissimo"),
    ("`", "articulation", "staccatissimo"),
    ("'", "articulation", "staccato"),
    ("^^", "articulation", "marcato"),
    ("^", "articulation", "accent"),
    ("~", "articulation", "tenuto"),
    (",", "articulation", "breath-mark"),
    ("v", "articulation", "up-bow"),
    ("u", "articulation", "down-bow"),
    (";", "fermata", ""),
    ("T", "ornament", "trill"),
    ("t", "ornament", "trill"),
    ("M", "ornament", "inverted-mordent"),
    ("m", "ornament", "inverted-mordent"),
    ("W", "ornament", "mordent"),
    ("w", "ornament", "mordent"),
    ("$", "ornament", "inverted-turn"),
    ("S", "ornament", "turn"),
    (":", "articulation", "arpeggio"),
    ("z", "dynamic", "sf"),
)
_MARK_LETTERS = frozenset("'`^~,vu;TtMmWw$S:z")


class KernNote(NamedTuple):
    """One pitch of a token. duration in quarters (0 for a grace note); spelling on the line of fifths."""

    pitch: int
    spelling: int
    duration: Fraction
    tie: int
    grace: bool


class KernToken(NamedTuple):
    """A token: its time (quarters), notes (none for a rest), marks (kind, value), slurs (opened, closed)."""

    duration: Fraction
    notes: tuple[KernNote, ...]
    marks: tuple[tuple[str, str], ...]
    slurs: tuple[int, int]


_cache: dict[str, KernToken] = {}


def parse_token(text: str) -> KernToken:
    """Parses a data token (not ``.``); ValueError says what is wrong with it."""
    token = _cache.get(text)
    if token is None:
        if len(_cache) >= _CACHE_LIMIT:
            _cache.clear()
        token = _cache[text] = _parse(text)
    return token


def recip_quarters(digits: str, divisor: str | None, dots: str) -> Fraction:
    """Quarters of a kern rhythm: ``4`` quarter, ``0`` breve, ``00`` long, ``3%2`` two thirds of a whole note, dots."""
    if len(digits) > 5 or len(divisor or "") > 5 or len(dots) > 5:
        raise ValueError("a note value that no music has")
    if digits.strip("0") == "":
        value = Fraction(4 * 2 ** len(digits))
    else:
        value = Fraction(4, int(digits))
    if divisor:
        value *= int(divisor)
    if not value:
        raise ValueError("a note value of no length")
    return value * (2 - Fraction(1, 2 ** len(dots)))


def _parse(text: str) -> KernToken:
    stops = text.split(" ") if " " in text else [text]
    lead: Fraction | None = None
    notes: list[KernNote] = []
    for stop in stops:
        if not stop or stop == ".":
            continue
        grace = "q" in stop or "Q" in stop
        found = _RECIP.search(stop)
        length = _length(found, stop) if found else None
        if lead is None and not grace:
            lead = length
        if "r" in stop:
            continue
        note = _note(stop, grace, length if length is not None else lead)
        if note is not None:
            notes.append(note)
    if lead is None and not any(n.grace for n in notes) and not ("q" in text or "Q" in text):
        raise ValueError("no duration")
    return KernToken(lead or Fraction(0), tuple(notes), _marks(text), (text.count("("), text.count(")")))


def _length(found: re.Match[str], stop: str) -> Fraction:
    """Quarters of one note; its dots may stand anywhere in it (``2F.`` is ``2.F``)."""
    digits, divisor, dots = found.groups()
    return recip_quarters(digits, divisor, dots or "." * stop.count("."))


def _note(stop: str, grace: bool, length: Fraction | None) -> KernNote | None:
    found = _PITCH.search(stop)
    if found is None:
        return None
    pitch, spelling = kern_pitch(found)
    if grace:
        return KernNote(pitch, spelling, Fraction(0), TIE_NONE, True)
    if length is None:
        raise ValueError("no duration")
    tie = TIE_CONTINUE if "_" in stop else TIE_START if "[" in stop else TIE_END if "]" in stop else TIE_NONE
    if "[" in stop and "]" in stop:
        tie = TIE_CONTINUE
    return KernNote(pitch, spelling, length, tie, False)


def kern_pitch(found: re.Match[str]) -> tuple[int, int]:
    """(MIDI pitch, spelling on the line of fifths) of matched pitch letters; ValueError outside 0..127."""
    letter, accidental = found.group(1), found.group(2) or ""
    run = found.end() - found.start() - len(accidental)
    step = letter.lower()
    octave = 4 + run if letter == step else 5 - run
    alter = 0 if accidental == "n" else len(accidental) * (1 if accidental.startswith("#") else -1)
    pitch = 12 * octave + _STEP[step] + alter
    if not 0 <= pitch <= 127:
        raise ValueError("a pitch outside MIDI's 0..127")
    spelling = _FIFTHS[step] + 7 * alter
    return pitch, spelling if -100 < spelling < 100 else UNSPELLED


def _marks(text: str) -> tuple[tuple[str, str], ...]:
    if _MARK_LETTERS.isdisjoint(text):
        return ()
    rest, found = text, []
    for sign, kind, value in _MARKS:
        if sign in rest:
            found.append((kind, value))
            rest = rest.replace(sign, "")
    return tuple(dict.fromkeys(found))

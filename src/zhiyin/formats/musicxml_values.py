"""Pitches, keys, meters, divisions and transpositions of MusicXML elements -> numbers. Pure functions."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

_STEP = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
_MODES = {"major": 0, "ionian": 0, "minor": 1, "aeolian": 1}


def pitch_of(element: Element) -> tuple[int, int]:
    """(MIDI number as written, spelling on the line of fifths) of a ``<pitch>``; ValueError where it is none."""
    step, alter, octave = "", 0.0, 0
    for child in element:
        if child.tag == "step":
            step = (child.text or "").strip()
        elif child.tag == "octave":
            octave = int(child.text or "")
        elif child.tag == "alter":
            alter = float(child.text or 0)
    if step not in _STEP or not abs(alter) <= 9 or not abs(octave) < 1000:
        raise ValueError("no pitch")
    semitones = round(alter)
    return 12 * octave + 12 + _STEP[step] + semitones, _FIFTHS[step] + 7 * semitones


def divisions_of(text: str | None) -> int:
    """Divisions of a quarter as an int ≥ 1, or 0 where there are none that make sense."""
    text = (text or "").strip()
    return round(float(text)) if re.fullmatch(r"\d{1,9}(\.\d+)?", text) else 0


def transposition_of(element: Element) -> tuple[int, int]:
    """(semitones, fifths) from written to sounding pitch of a ``<transpose>``."""

    def number(tag: str) -> int | None:
        text = (element.findtext(tag) or "").strip()
        return int(float(text)) if re.fullmatch(r"[+-]?\d{1,2}(\.\d+)?", text) else None

    chromatic, diatonic = number("chromatic") or 0, number("diatonic")
    nearest = (chromatic * 7 + 6) % 12 - 6
    fifths = 7 * chromatic - 12 * diatonic if diatonic is not None else nearest
    return chromatic + 12 * (number("octave-change") or 0), fifths if abs(fifths) <= 12 else nearest


def key_of(element: Element, shift: int) -> tuple[int, int] | None:
    """(fifths, mode) of a ``<key>`` after ``shift`` fifths of transposition; None for keys without fifths."""
    text = (element.findtext("fifths") or "").strip()
    if not re.fullmatch(r"[+-]?\d{1,2}", text):
        return None
    fifths = int(text) + shift
    fifths -= 12 * (1 if fifths > 7 else -1 if fifths < -7 else 0)
    mode = _MODES.get((element.findtext("mode") or "").strip().lower(), -1)
    return (fifths, mode) if -7 <= fifths <= 7 else None


def meter_of(element: Element) -> tuple[int, int] | None:
    """(numerator, denominator) of a ``<time>``; composite meters are added up; None without a measure."""
    total, bottom = 0, 0
    texts = [(c.tag, (c.text or "").strip()) for c in element if c.tag in ("beats", "beat-type")]
    for (first, beats), (second, unit) in zip(texts[::2], texts[1::2]):
        if (first, second) != ("beats", "beat-type") or not re.fullmatch(r"\d{1,3}", unit) or not int(unit):
            return None
        if not re.fullmatch(r"\d{1,3}(\s*\+\s*\d{1,3})*", beats):
            return None
        common = max(bottom, int(unit))
        total = total * (common // bottom if bottom else 1) + sum(map(int, beats.split("+"))) * (common // int(unit))
        bottom = common
    return (total, bottom) if 0 < total <= 999 and 0 < bottom <= 256 else None

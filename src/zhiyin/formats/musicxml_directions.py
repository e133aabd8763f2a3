"""Directions, chord symbols and notations of MusicXML -> words and values of marks. Pure functions; knows no time."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

_BEATS = {"maxima": 32.0, "long": 16.0, "breve": 8.0, "whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5,
          "16th": 0.25, "32nd": 0.125, "64th": 0.0625}  # fmt: skip
_KINDS = {
    "major": "", "minor": "m", "augmented": "aug", "diminished": "dim", "dominant": "7", "major-seventh": "maj7",
    "minor-seventh": "m7", "diminished-seventh": "dim7", "augmented-seventh": "aug7", "half-diminished": "m7b5",
    "major-minor": "mMaj7", "major-sixth": "6", "minor-sixth": "m6", "dominant-ninth": "9", "major-ninth": "maj9",
    "minor-ninth": "m9", "dominant-11th": "11", "major-11th": "maj11", "minor-11th": "m11", "dominant-13th": "13",
    "major-13th": "maj13", "minor-13th": "m13", "suspended-second": "sus2", "suspended-fourth": "sus4", "power": "5",
}  # fmt: skip
_TEMPO_WORDS = re.compile(
    r"\b(largo|larghetto|lento|lent|lentement|adagio|adagietto|grave|andante|andantino|moderato|allegro|allegretto|vivace|vivo|"
    r"presto|prestissimo|tempo|langsam|mäßig|mässig|mäßige?s?|bewegt|belebt|lebhaft|schnell|rasch|ruhig|gehend|etwas|ziemlich|"
    r"nicht|modéré|vif|animé|slow|slowly|fast|quick|lively|maestoso|tranquillo|rit|ritard|ritardando|rallentando|rall|"
    r"ritenuto|riten|valse|accel|accelerando|stringendo|string|a tempo|mosso|zurückhaltend|allargando)\b",
    re.IGNORECASE,
)
_JUMP = re.compile(
    r"^\W*(?P<dc>(da\s*capo|d\.?\s*c\b\.?).*)$|^\W*(?P<ds>(dal\s*segno|d\.?\s*s\b\.?).*)$|^\W*(?P<to>to\s+coda|al\s+coda)\W*$|"
    r"^\W*(?P<fine>fine)\W*$|^\W*(?P<coda>coda)\W*$|^\W*(?P<segno>segno)\W*$",
    re.IGNORECASE,
)
_ARTICULATIONS = {"strong-accent": "marcato", "detached-legato": "portato"}
_SKIPPED = {"tremolo", "wavy-line", "accidental-mark", "fingering", "pluck", "string", "fret"}


def words_kind(text: str) -> str:
    """Whether words over a staff are a ``tempo``, a ``jump`` or ``text``."""
    if _JUMP.match(text):
        return "jump"
    return "tempo" if _TEMPO_WORDS.search(text) else "text"


def jump_of_sound(sound: Element) -> str:
    """The jump that a ``<sound>`` element orders, as words, or nothing."""
    for attribute, word in (("dacapo", "D.C."), ("dalsegno", "D.S."), ("fine", "Fine"), ("tocoda", "To Coda"),
                            ("coda", "Coda"), ("segno", "Segno")):  # fmt: skip
        if sound.get(attribute) not in (None, "no"):
            return word
    return ""


def metronome_qpm(element: Element) -> float:
    """Quarters per minute of a metronome mark; 0 where it gives no speed."""
    unit = _BEATS.get((element.findtext("beat-unit") or "").strip(), 0.0)
    dots = len(element.findall("beat-unit-dot"))
    found = re.search(r"\d+(?:[.,]\d+)?", element.findtext("per-minute") or "")
    qpm = unit * (2 - 0.5**dots) * float(found.group().replace(",", ".")) if found else 0.0
    return qpm if 0 < qpm < 10_000 else 0.0


def chord_symbol(harmony: Element) -> str:
    """The chord symbol of a ``<harmony>``, such as ``Dm7/F``; nothing where it has no root (functions, numerals)."""
    kind = harmony.find("kind")
    value = (kind.text or "").strip() if kind is not None else ""
    if value == "none":
        return "N.C."
    root = _step(harmony, "root")
    if not root:
        return ""
    shown = kind.get("text") if kind is not None else None
    symbol = root + (shown if shown is not None and value not in _KINDS else _KINDS.get(value, ""))
    for degree in harmony.iterfind("degree"):
        alter = {"1": "#", "-1": "b"}.get((degree.findtext("degree-alter") or "0").strip(), "")
        word = {"add": "" if alter else "add", "subtract": "no"}.get((degree.findtext("degree-type") or "").strip(), "")
        symbol += f"({word}{alter}{(degree.findtext('degree-value') or '').strip()})"
    bass = _step(harmony, "bass")
    return symbol + (f"/{bass}" if bass else "")


def _step(harmony: Element, where: str) -> str:
    step = (harmony.findtext(f"{where}/{where}-step") or "").strip()
    alter = (harmony.findtext(f"{where}/{where}-alter") or "0").strip()
    sign = {"1": "#", "2": "##", "-1": "b", "-2": "bb"}.get(alter, "")
    return step + sign if step in tuple("ABCDEFG") else ""


def lyric_text(lyric: Element) -> str:
    """The syllable with a trailing ``-`` where its word goes on; elided syllables are joined."""
    text, goes_on = "", False
    for child in lyric:
        if child.tag == "text":
            text += child.text or ""
        elif child.tag == "elision":
            text += child.text or "‿"
        elif child.tag == "syllabic":
            goes_on = (child.text or "").strip() in ("begin", "middle")
    text = text.strip()
    return f"{text}-" if text and goes_on else text


def note_marks(notations: Element) -> list[tuple[str, str]]:
    """(kind, value) of the articulations, ornaments, fermatas and dynamics of a note; slurs and ties not."""
    out: list[tuple[str, str]] = []
    for group in notations:
        tag = group.tag
        if tag == "articulations":
            out += [("articulation", _ARTICULATIONS.get(e.tag, _value(e))) for e in group]
        elif tag == "ornaments":
            out += [
                ("ornament", "trill" if e.tag == "trill-mark" else _value(e)) for e in group if e.tag not in _SKIPPED
            ]
        elif tag == "technical":
            out += [("articulation", e.tag) for e in group if e.tag in ("up-bow", "down-bow", "harmonic", "open-string",
                                                                        "stopped", "snap-pizzicato")]  # fmt: skip
        elif tag == "fermata":
            out.append(("fermata", ""))
        elif tag == "arpeggiate":
            out.append(("articulation", "arpeggio"))
        elif tag == "dynamics":
            out += [("dynamic", value) for value in dynamics(group)]
    return out


def _value(element: Element) -> str:
    return (element.text or "").strip() or element.tag if element.tag.startswith("other-") else element.tag


def dynamics(element: Element) -> list[str]:
    """The levels in a ``<dynamics>`` element."""
    return [v for v in (_value(e) for e in element) if v]

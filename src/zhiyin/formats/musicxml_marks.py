"""Marks as MusicXML snippets: directions, notations, lyrics, chord symbols, bar lines and tempo.

Pure functions from words to strings; knows nothing about notes, voices or where in a bar a snippet goes.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

_FORTE = ("f", "ff", "fff", "ffff", "fffff", "ffffff", "mf", "sf", "sfz", "sffz", "fz", "rf", "rfz")
_PIANO = ("p", "pp", "ppp", "pppp", "ppppp", "pppppp", "mp", "sfp", "sfpp", "sfzp", "fp", "pf", "n")
DYNAMICS = frozenset((*_FORTE, *_PIANO))
_ARTICULATIONS = {
    "staccato": "staccato", "accent": "accent", "tenuto": "tenuto", "marcato": "strong-accent",
    "staccatissimo": "staccatissimo", "spiccato": "spiccato", "portato": "detached-legato",
    "detached-legato": "detached-legato", "strong-accent": "strong-accent", "breath": "breath-mark",
    "breath-mark": "breath-mark", "caesura": "caesura", "stress": "stress", "unstress": "unstress",
    "scoop": "scoop", "plop": "plop", "doit": "doit", "falloff": "falloff", "soft-accent": "soft-accent",
}  # fmt: skip
_TECHNICAL = {
    "up-bow": "up-bow", "upbow": "up-bow", "down-bow": "down-bow", "downbow": "down-bow", "harmonic": "harmonic",
    "open-string": "open-string", "stopped": "stopped", "snap-pizzicato": "snap-pizzicato",
}  # fmt: skip
_ORNAMENTS = {
    "trill": "trill-mark", "trill-mark": "trill-mark", "mordent": "mordent", "inverted-mordent": "inverted-mordent",
    "turn": "turn", "inverted-turn": "inverted-turn", "delayed-turn": "delayed-turn", "shake": "shake",
    "schleifer": "schleifer", "haydn": "haydn",
}  # fmt: skip
_SUFFIXES = {  # MusicXML kind: the suffixes that mean it; the longest match wins
    "major": ("", "maj", "M"),
    "minor": ("m", "min", "-"),
    "dominant": ("7",),
    "major-seventh": ("maj7", "Maj7", "M7", "Δ7", "Δ"),
    "minor-seventh": ("m7", "min7", "-7"),
    "major-minor": ("mM7", "mMaj7", "m(maj7)"),
    "major-sixth": ("6",),
    "minor-sixth": ("m6", "min6"),
    "dominant-ninth": ("9",),
    "major-ninth": ("maj9", "Maj9", "M9"),
    "minor-ninth": ("m9", "min9"),
    "dominant-11th": ("11",),
    "minor-11th": ("m11", "min11"),
    "dominant-13th": ("13",),
    "major-13th": ("maj13", "M13"),
    "diminished": ("dim", "°", "o"),
    "diminished-seventh": ("dim7", "°7", "o7"),
    "half-diminished": ("m7b5", "ø7", "ø", "hdim7"),
    "augmented": ("aug", "+"),
    "augmented-seventh": ("aug7", "+7"),
    "suspended-fourth": ("sus4", "sus"),
    "suspended-second": ("sus2",),
    "power": ("5",),
}
_KINDS = tuple((suffix, kind) for kind, suffixes in _SUFFIXES.items() for suffix in suffixes)
_CHORD = re.compile(r"^([A-Ga-g])([#b♯♭]*)(.*?)(?:/([A-Ga-g])([#b♯♭]*))?$")
_DEGREE = re.compile(r"\(?(add|omit|no)?([b#♭♯-]?)(2|4|5|6|7|9|11|13)\)?,?")


def element(name: str, text: object = "", /, **attributes: object) -> str:
    """One element with its text escaped; attribute names take ``_`` for ``-``."""
    head = name + "".join(f" {k.replace('_', '-')}={quoteattr(str(v))}" for k, v in attributes.items())
    return f"<{head}>{escape(str(text))}</{name}>" if text != "" else f"<{head}/>"


def direction(kind: str, *, offset: int = 0, staff: int = 0, sound: str = "", above: bool = False) -> str:
    """A direction around the XML of its type; ``offset`` in divisions from where it stands in the file."""
    place = "above" if above else "below"
    parts = [f'<direction placement="{place}"><direction-type>{kind}</direction-type>']
    if offset:
        parts.append(element("offset", offset))
    if staff:
        parts.append(element("staff", staff))
    return "".join(parts) + sound + "</direction>"


def dynamic(value: str) -> str:
    """The type of a dynamic mark."""
    inner = f"<{value}/>" if value in DYNAMICS else element("other-dynamics", value)
    return f"<dynamics>{inner}</dynamics>"


def tempo(words: str, qpm: float, beat: tuple[str, int, float], shown: bool = True) -> tuple[str, str]:
    """(direction type, sound) of a tempo: a word, a metronome mark and the speed in quarters per minute.

    beat: as ``Meter.beat`` gives it. The metronome mark is rounded to a whole number; the sound keeps six digits.
    """
    sound = f'<sound tempo="{qpm:.6g}"/>' if qpm > 0 else ""
    marked = qpm > 0 and shown
    types = [element("words", words + " " * marked, font_weight="bold")] if words else []
    if marked:
        unit, dots, quarters = beat
        inner = f"{element('beat-unit', unit)}{'<beat-unit-dot/>' * dots}{element('per-minute', round(qpm / quarters))}"
        types.append(f"<metronome>{inner}</metronome>")
    return "</direction-type><direction-type>".join(types), sound


def notation(kind: str, value: str) -> tuple[str, str] | None:
    """(group, element) of an articulation, ornament or fermata under ``<notations>``; None for an empty one."""
    word = value.strip().lower()
    if kind == "fermata":
        return "", '<fermata type="upright"/>'
    if kind == "ornament":
        name = _ORNAMENTS.get(word)
        return "ornaments", f"<{name}/>" if name else element("other-ornament", value)
    if word in _TECHNICAL:
        return "technical", f"<{_TECHNICAL[word]}/>"
    if word in ("arpeggio", "arpeggiate"):
        return "", "<arpeggiate/>"
    name = _ARTICULATIONS.get(word)
    return ("articulations", f"<{name}/>" if name else element("other-articulation", value)) if word else None


def lyric(value: str, inside_word: bool, number: int) -> tuple[str, bool]:
    """The lyric element of a syllable and whether its word goes on (a trailing ``-``)."""
    goes_on = value.endswith("-") and len(value) > 1
    text = value[:-1] if goes_on else value
    kind = ("middle" if goes_on else "end") if inside_word else ("begin" if goes_on else "single")
    return f'<lyric number="{number}">{element("syllabic", kind)}<text>{escape(text)}</text></lyric>', goes_on


def harmony(symbol: str, offset: int, staff: int) -> str:
    """A chord symbol; what cannot be read as one is written as words, never dropped."""
    tail = (element("offset", offset) if offset else "") + (element("staff", staff) if staff else "")
    plain = symbol.strip()
    if plain in ("N", "N.C.", "NC", "n.c."):
        root = '<root><root-step text="">C</root-step></root>'
        return f'<harmony>{root}<kind text="N.C.">none</kind>{tail}</harmony>'
    match = _CHORD.match(plain)
    kind = _kind(match.group(3)) if match else None
    if match is None or kind is None:
        return direction(element("words", symbol), offset=offset, staff=staff, above=True)
    root, accidental, suffix, bass, bass_accidental = match.groups()
    name, degrees = kind
    parts = [f"<root>{_pitch('root', root, accidental)}</root>", element("kind", name, text=suffix)]
    if bass:
        parts.append(f"<bass>{_pitch('bass', bass, bass_accidental)}</bass>")
    return f"<harmony>{''.join(parts)}{degrees}{tail}</harmony>"


def _pitch(where: str, step: str, accidental: str) -> str:
    alter = sum(1 if c in "#♯" else -1 for c in accidental or "")
    return element(f"{where}-step", step.upper()) + (element(f"{where}-alter", alter) if alter else "")


def _kind(suffix: str) -> tuple[str, str] | None:
    base, name = max(((s, n) for s, n in _KINDS if suffix.startswith(s)), key=lambda k: len(k[0]))
    rest, degrees = suffix[len(base) :], []
    while rest:
        match = _DEGREE.match(rest)
        if match is None:
            return None
        word, accidental, number = match.groups()
        alter = {"b": -1, "♭": -1, "-": -1, "#": 1, "♯": 1}.get(accidental, 0)
        change = "subtract" if word in ("omit", "no") else ("alter" if accidental and number == "5" else "add")
        degrees.append(f"<degree>{element('degree-value', number)}{element('degree-alter', alter)}"
                       f"{element('degree-type', change)}</degree>")  # fmt: skip
        rest = rest[match.end() :]
    return name, "".join(degrees)


def jump(value: str) -> tuple[str, str]:
    """(direction type, sound) of D.C., D.S., Fine, Coda, Segno and their longer forms."""
    word = value.strip().lower().replace(".", "").replace(" ", "")
    if word == "segno":
        return "<segno/>", '<sound segno="segno"/>'
    if word == "coda":
        return "<coda/>", '<sound coda="coda"/>'
    sound = ""
    if word.startswith(("dc", "dacapo")):
        sound = '<sound dacapo="yes"/>'
    elif word.startswith(("ds", "dalsegno")):
        sound = '<sound dalsegno="segno"/>'
    elif word == "fine":
        sound = '<sound fine="yes"/>'
    elif word.startswith("tocoda"):
        sound = '<sound tocoda="coda"/>'
    return element("words", value), sound


def barline(
    location: str, style: str = "", ending: tuple[str, str] | None = None, repeat: tuple[str, int] | None = None
) -> str:
    """A bar line; ``ending`` (numbers, start|stop|discontinue), ``repeat`` (forward|backward, times)."""
    parts = [f'<barline location="{location}">', element("bar-style", style) if style else ""]
    if ending:
        numbers, kind = ending
        text = numbers + "." if kind == "start" else ""
        parts.append(element("ending", text, number=numbers, type=kind))
    if repeat:
        times = {"times": repeat[1]} if repeat[1] > 2 else {}
        parts.append(element("repeat", direction=repeat[0], **times))
    return "".join(parts) + "</barline>"

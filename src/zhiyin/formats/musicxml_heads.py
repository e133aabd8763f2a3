"""The part list of a MusicXML score -> parts: names, General MIDI programs, drum keys. Knows no notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

_SOUNDS = {
    "keyboard.harpsichord": 6, "keyboard.clavichord": 6, "keyboard.celesta": 8, "keyboard.organ": 19,
    "keyboard": 0, "voice": 52, "strings.violin": 40, "strings.viola": 41, "strings.cello": 42,
    "strings.contrabass": 43,
    "strings.group": 48, "strings": 48, "wind.flutes.flute.piccolo": 72, "wind.flutes.recorder": 74, "wind.flutes": 73,
    "wind.reed.oboe": 68, "wind.reed.english-horn": 69, "wind.reed.clarinet": 71, "wind.reed.bassoon": 70,
    "wind.reed.saxophone": 65, "brass.trumpet": 56, "brass.trombone": 57, "brass.tuba": 58, "brass.french-horn": 60,
    "brass": 61,
    "pluck.guitar": 24, "pluck.lute": 24, "pluck.harp": 46, "pluck.bass": 32, "pitched-percussion.xylophone": 13,
    "pitched-percussion.glockenspiel": 9, "drum.timpani": 47,
}  # fmt: skip


@dataclass(slots=True)
class PartHead:
    """What the part list says of a part: name, program, whether on the drum channel, drum keys of its instruments."""

    name: str = ""
    program: int = 0
    drum_channel: bool = False
    drum_keys: dict[str, int] = field(default_factory=dict)


def part_heads(root: Element) -> dict[str, PartHead]:
    """Heads by part id."""
    return {e.get("id", ""): _head(e) for e in root.iterfind("part-list/score-part")}


def _head(element: Element) -> PartHead:
    name = (element.findtext("part-name") or "").strip()
    head = PartHead(" ".join((name or element.findtext("score-instrument/instrument-name") or "").split()))
    programs = [_number(e.text) - 1 for e in element.iterfind("midi-instrument/midi-program")]
    sounds = [e.text or "" for e in element.iterfind("score-instrument/instrument-sound")]
    head.program = programs[0] if programs and 0 <= programs[0] <= 127 else _program_of(sounds[0] if sounds else "")
    channels = [_number(e.text) for e in element.iterfind("midi-instrument/midi-channel")]
    head.drum_channel = bool(channels) and channels[0] == 10
    for instrument in element.iterfind("midi-instrument"):
        key = _number(instrument.findtext("midi-unpitched")) - 1
        if 0 <= key <= 127:
            head.drum_keys[instrument.get("id", "")] = key
    return head


def _number(text: str | None) -> int:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1


def _program_of(sound: str) -> int:
    while sound:
        if sound in _SOUNDS:
            return _SOUNDS[sound]
        sound = sound.rpartition(".")[0]
    return 0

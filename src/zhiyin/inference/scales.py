"""Scales by name, English and Chinese: which pitch classes a piece may use, and which key it reads as.

A name may begin with its tonic ("D dorian"); without one it stands on the key's tonic. Nothing here knows parts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from zhiyin.errors import ControlError, near_hint
from zhiyin.inference.controls import Key, find_key
from zhiyin.measures.chord_symbol import pitch_class_name

# Semitones above the tonic. Chinese pentatonics by their final: gong 宫, shang 商, jue 角, zhi 徵, yu 羽.
SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11), "natural minor": (0, 2, 3, 5, 7, 8, 10), "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic minor": (0, 2, 3, 5, 7, 8, 9, 10, 11), "dorian": (0, 2, 3, 5, 7, 9, 10), "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11), "mixolydian": (0, 2, 4, 5, 7, 9, 10), "locrian": (0, 1, 3, 5, 6, 8, 10),
    "pentatonic": (0, 2, 4, 7, 9), "minor pentatonic": (0, 3, 5, 7, 10), "blues": (0, 3, 5, 6, 7, 10),
    "whole tone": (0, 2, 4, 6, 8, 10), "octatonic": (0, 2, 3, 5, 6, 8, 9, 11), "chromatic": tuple(range(12)),
    "gong": (0, 2, 4, 7, 9), "shang": (0, 2, 5, 7, 10), "jue": (0, 3, 5, 8, 10), "zhi": (0, 2, 5, 7, 9),
    "yu": (0, 3, 5, 7, 10), "hungarian minor": (0, 2, 3, 6, 7, 8, 11), "phrygian dominant": (0, 1, 4, 5, 7, 8, 10),
    "hirajoshi": (0, 2, 3, 7, 8), "in sen": (0, 1, 5, 7, 10),
}  # fmt: skip
_SAME = {
    "ionian": "major", "minor": "natural minor", "aeolian": "natural minor", "major pentatonic": "pentatonic",
    "diminished": "octatonic", "freygish": "phrygian dominant", "ahava raba": "phrygian dominant",
    "宫": "gong", "宫调式": "gong", "商": "shang", "商调式": "shang", "角": "jue", "角调式": "jue", "徵": "zhi", "徵调式": "zhi",
    "羽": "yu", "羽调式": "yu", "五声": "pentatonic", "五声音阶": "pentatonic", "大调": "major", "小调": "natural minor",
    "和声小调": "harmonic minor", "多利亚": "dorian", "布鲁斯": "blues", "全音阶": "whole tone", "半音阶": "chromatic",
    "小调五声": "minor pentatonic", "chinese pentatonic": "gong",
}  # fmt: skip
_TONIC = re.compile(r"^([A-G])\s*(#|b|♯|♭)?(?:\s+|(?=[^\x00-\x7f]))(.+)$")


@dataclass(frozen=True)
class Scale:
    """A scale on a tonic: its name with the tonic, tonic pitch class, allowed pitch classes."""

    name: str
    tonic: int
    classes: frozenset[int]

    @property
    def minor(self) -> bool:
        """Whether it has a minor third above its tonic and no major one."""
        inside = {(c - self.tonic) % 12 for c in self.classes}
        return 3 in inside and 4 not in inside

    @property
    def key(self) -> str:
        """The key that a piece in it is written in: its tonic, major or minor by its third."""
        for name in (pitch_class_name(self.tonic, -1), pitch_class_name(self.tonic, 1)):
            try:
                return find_key(f"{name} {'minor' if self.minor else 'major'}").name
            except ControlError:
                continue
        raise AssertionError(f"no key on pitch class {self.tonic}")


def split_scale(name: str) -> tuple[str, str]:
    """Tonic ("" where it says none) and canonical name of a scale; ControlError with near names."""
    match = _TONIC.match(name.strip())
    tonic, kind = (match.group(1) + (match.group(2) or ""), match.group(3)) if match else ("", name.strip())
    kind = kind.strip().casefold().removesuffix(" scale").removesuffix(" mode")
    kind = _SAME.get(kind, kind)
    if kind not in SCALES:
        raise ControlError(
            f"Unknown scale {name!r}",
            expected='a scale such as "dorian", "D harmonic minor", "pentatonic", "gong" (宫)',
            received=repr(name),
            hint=near_hint(kind, [*SCALES, *_SAME]),
        )
    return tonic.replace("♯", "#").replace("♭", "b"), kind


def find_scale(name: str, key: Key | None = None) -> Scale:
    """The scale of a name; one without a tonic stands on the tonic of ``key``."""
    tonic_name, kind = split_scale(name)
    if not tonic_name and key is None:
        raise ControlError(
            "The scale has no tonic", expected='one in front, as in "D dorian", or a key', received=repr(name)
        )
    tonic = find_key(tonic_name).tonic if tonic_name else (key.tonic if key else 0)
    title = tonic_name or pitch_class_name(tonic, key.fifths if key else 0)
    return Scale(f"{title} {kind}", tonic, frozenset((tonic + i) % 12 for i in SCALES[kind]))

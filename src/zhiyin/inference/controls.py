"""What a piece should be: the controls a composer may set, each optional, checked where they enter.

Names are resolved against a catalog (the styles and composers that a model package lists). Nothing here reads words
in natural language (see ``words``) and nothing here fills gaps (see ``brief``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NoReturn

from zhiyin.encoding.fields import CADENCES, LETTERS
from zhiyin.errors import ControlError, near_hint, nearest
from zhiyin.inference.instruments import find_parts
from zhiyin.inference.near_styles import near_in_meaning
from zhiyin.inference.word_tables import COMPOSERS_ZH
from zhiyin.measures.key import key_tonic_name, tonic_of

MAX_BARS = 1000
MAX_SECONDS = 7200.0
TEMPO_RANGE = (20.0, 400.0)  # quarters per minute
_DENOMINATORS = (1, 2, 4, 8, 16, 32)
_COMMON_METERS = ("2/4", "3/4", "4/4", "2/2", "3/2", "3/8", "6/8", "9/8", "12/8", "5/4")

TONICS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B", "C#", "D#", "Gb", "G#", "A#", "Cb")
_LETTER_FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
_KEY = re.compile(r"^([A-Ga-g])\s*(#|b|♯|♭|[\s-]?sharp|[\s-]?flat)?\s*[\s-]?(major|minor|maj|min|m)?$")


@dataclass(frozen=True)
class Controls:
    """Everything that may be asked of a piece; None or empty = not said.

    key: "D minor", "Bb major". meter: "3/4". tempo_qpm: quarters per minute. seconds: wished length. parts: instrument
    or voice names, top to bottom. density: notes per quarter, or "sparse" / "dense". register: mean MIDI pitch, or
    "low" / "high". dynamic: p, mp, mf, f. form: letters of the sections ("AABA"). cadence: how the piece ends
    (authentic, half). mode, tempo_range and mood come from words that say less than a key or a number.
    scale: "D dorian", "pentatonic". ranges: "Flute=C4..A5" for each part. rhythm: a file, a score or ``Rhythm.as_data``.
    like: a file, a score or ``Likeness.as_data``: its features, not its notes.
    """

    style: str | None = None
    composer: str | None = None
    key: str | None = None
    meter: str | None = None
    tempo_qpm: float | None = None
    bars: int | None = None
    seconds: float | None = None
    parts: tuple[str, ...] = ()
    density: float | str | None = None
    register: float | str | None = None
    form: str | None = None
    cadence: str | None = None
    title: str | None = None
    seed: int | None = None
    dynamic: str | None = None
    mode: str | None = None
    tempo_range: tuple[float, float] | None = None
    tempo_word: str | None = None
    mood: tuple[str, ...] = ()
    scale: str | None = None
    ranges: tuple[str, ...] = ()
    rhythm: Any = None
    like: Any = None

    def said(self) -> dict[str, Any]:
        """The controls that are set, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) not in (None, ())}


@dataclass(frozen=True)
class Key:
    """A key: ``fifths`` of its signature (-7..7), ``mode`` 0 major or 1 minor, ``tonic`` pitch class, its name."""

    fifths: int
    mode: int
    tonic: int
    name: str


def find_key(name: str) -> Key:
    """The key that a name such as "D minor", "Bb major", "f# minor", "降E大调" or "Eb" says (no mode = major)."""
    plain = re.sub(r"([降升])\s*([A-Ga-g])", lambda m: m[2] + ("b" if m[1] == "降" else "#"), name.strip())  # 降E大调
    match = _KEY.match(plain.replace("大调", " major").replace("小调", " minor"))
    if not match:
        _unknown("key", name, [f"{t} {m}" for t in TONICS[:12] for m in ("major", "minor")])
    letter, sign, mode_name = match.group(1).upper(), (match.group(2) or "").strip(" -"), match.group(3) or "major"
    shift = {"": 0, "#": 7, "♯": 7, "sharp": 7, "b": -7, "♭": -7, "flat": -7}[sign]
    minor = mode_name in ("minor", "min", "m")
    tonic_fifths = _LETTER_FIFTHS[letter] + shift
    fifths = tonic_fifths - 3 * minor
    if not -7 <= fifths <= 7:
        raise ControlError(
            f"No key signature for {name!r}",
            expected="a key with at most 7 sharps or flats",
            received=f"{abs(fifths)} {'sharps' if fifths > 0 else 'flats'}",
            hint="use its enharmonic name",
        )
    tonic = letter + {"": "", "#": "#", "♯": "#", "sharp": "#"}.get(sign, "b")
    return Key(fifths, int(minor), tonic_fifths * 7 % 12, f"{tonic} {'minor' if minor else 'major'}")


def key_from(fifths: int, mode: int) -> Key:
    """The key of a signature (-7..7) in a mode (0 major, 1 minor)."""
    return Key(fifths, mode, tonic_of(fifths, mode), f"{key_tonic_name(fifths, mode)} {'minor' if mode else 'major'}")


def find_meter(name: str) -> tuple[int, int]:
    """Numerator and denominator of a meter such as "3/4"; its bar is at most 16 quarters long."""
    match = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(\d{1,2})\s*", name)
    numerator, denominator = (int(match.group(1)), int(match.group(2))) if match else (0, 0)
    if denominator not in _DENOMINATORS or not 1 <= numerator <= 32 or not 0.5 <= 4 * numerator / denominator <= 16:
        _unknown("meter", name, _COMMON_METERS)
    return numerator, denominator


def find_named(kind: str, name: str, catalog: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The catalog entry whose name, Chinese name or synonym is ``name``; else a ControlError with near names."""
    wanted = name.strip().casefold()
    for entry in catalog:
        own = [n.casefold() for n in entry_names(entry)]
        if kind == "composer":  # "chopin", 肖邦
            own += [n.split(",")[0] for n in own]
            own += [zh for zh, person in COMPOSERS_ZH.items() if person.casefold() in own]
        if wanted in own or wanted.replace(" ", "-") == entry["name"]:
            return entry
    if not name.isascii():  # near names in the language that was asked in
        meant = {n: str(e["name"]) for e in catalog for n in entry_names(e) if not n.isascii()}
        near = nearest(wanted, list(meant), 3)
        if near:
            raise ControlError(f"Unknown {kind} {name!r}", expected=f"a {kind} of the model", received=repr(name),
                               hint="near: " + ", ".join(f"{n} ({meant[n]})" for n in near))  # fmt: skip
    _unknown(kind, name, [str(e["name"]) for e in catalog])


def entry_names(entry: Mapping[str, Any]) -> list[str]:
    """All names of a catalog entry: its name, title and Chinese name (where it has them), then its synonyms."""
    own = [str(entry["name"]), *(str(entry[n]) for n in ("title", "name_zh") if entry.get(n))]
    return own + [str(s) for s in entry.get("synonyms") or () if s]


def find_form(form: str) -> str:
    """Section letters of a form such as "AABA" or "ABA'": from A on, each new letter the next of the alphabet."""
    letters = form.strip().upper().replace("'", "").replace("′", "").replace("’", "")
    fresh = "".join(dict.fromkeys(letters))
    if not letters or fresh != LETTERS[: len(fresh)]:
        raise ControlError(
            "Unknown form",
            expected=f"letters A..{LETTERS[-1]}, new ones in order, such as AABA, ABA, AABB or ABACA",
            received=repr(form),
        )
    return letters


def check_controls(
    controls: Controls, styles: Sequence[Mapping[str, Any]], composers: Sequence[Mapping[str, Any]]
) -> Controls:
    """The same controls with every name in its canonical form. Raises ControlError for the first that is wrong."""
    _check_numbers(controls)
    changes: dict[str, Any] = {}
    if controls.style:
        changes["style"] = str(find_named("style", controls.style, styles)["name"])
    if controls.composer:
        changes["composer"] = str(find_named("composer", controls.composer, composers)["name"])
    if controls.key:
        changes["key"] = find_key(controls.key).name
    if controls.meter:
        changes["meter"] = "{}/{}".format(*find_meter(controls.meter))
    if controls.form:
        find_form(controls.form)
    if controls.cadence and controls.cadence not in CADENCES[1:3]:
        _unknown("cadence", controls.cadence, CADENCES[1:3])
    if controls.parts:
        find_parts(controls.parts)
    if isinstance(controls.density, str) and controls.density not in ("sparse", "dense"):
        _unknown("density", controls.density, ("sparse", "dense"))
    if isinstance(controls.register, str) and controls.register not in ("low", "high"):
        _unknown("register", controls.register, ("low", "high"))
    return replace(controls, **changes)


def _check_numbers(controls: Controls) -> None:
    ranges: tuple[tuple[str, float, float], ...] = (
        ("bars", 1, MAX_BARS),
        ("seconds", 1, MAX_SECONDS),
        ("tempo_qpm", *TEMPO_RANGE),
        ("density", 0.1, 24),
        ("register", 21, 108),
        ("seed", 0, 2**63 - 1),
    )
    for name, low, high in ranges:
        value = getattr(controls, name)
        if value is not None and not isinstance(value, str) and not low <= value <= high:
            raise ControlError(f"{name} out of range", expected=f"{low:g}..{high:g}", received=f"{value:g}")
    if controls.bars is not None and controls.bars != int(controls.bars):
        raise ControlError("bars must be a whole number", expected=f"1..{MAX_BARS}", received=str(controls.bars))


def merge(words: Controls, flags: Controls) -> Controls:
    """Controls from words and from flags as one; where both say a thing they must agree, else a ControlError naming both."""
    spoken, flagged = words.said(), flags.said()
    for name in spoken.keys() & flagged.keys():
        if not _agree(name, spoken[name], flagged[name]):
            raise ControlError(
                f"The words and the flags contradict each other about {name}",
                expected="one of the two",
                received=f"{spoken[name]!r} in the words, {flagged[name]!r} in the flags",
            )
    if "key" in flagged and "mode" in spoken:
        spoken.pop("mode")
    if "tempo_qpm" in flagged:
        for name in ("tempo_range", "tempo_word"):
            spoken.pop(name, None)
    return Controls(**{**spoken, **flagged})


_SAME_THING = (("key", "mode"), ("tempo_qpm", "tempo_range", "tempo_word"), ("bars", "seconds"))  # controls that say one thing


def over(name: str) -> set[str]:
    """The controls that one which is set anew takes the place of: itself and those that say the same thing."""
    return {name}.union(*(set(group) for group in _SAME_THING if name in group))


def _agree(name: str, a: Any, b: Any) -> bool:
    if name == "key":
        return find_key(a) == find_key(b)
    if name == "meter":
        return find_meter(a) == find_meter(b)
    if name == "form":
        return find_form(a) == find_form(b)
    if isinstance(a, str) and isinstance(b, str):
        return a.casefold() == b.casefold()
    return bool(a == b)


def _unknown(kind: str, name: str, known: Sequence[str]) -> NoReturn:
    meant = near_in_meaning(name, known) if kind == "style" else []
    by_meaning = f"nearest in meaning: {', '.join(map(repr, meant))}; by spelling " if meant else ""
    raise ControlError(f"Unknown {kind} {name!r}", expected=f"a {kind} such as {', '.join(list(known)[:4])}",
                       received=repr(name), hint=f"{by_meaning}{near_hint(name, known)}")  # fmt: skip

"""Hard constraints that any composing verb takes: scale, ranges of parts, a rhythm, a chord chart.

They hold in every output, because they are masks and forced places (``places``), not wishes. Constraints that cannot be
met together are named by a ControlError. What is hard and what is soft about each: docs/guide/constraints.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zhiyin.encoding.fields import DRUM_PROGRAM
from zhiyin.errors import ControlError
from zhiyin.formats.roll_names import pitch_name
from zhiyin.inference.chart import Chart, chart_text, parse_chart
from zhiyin.inference.controls import MAX_BARS, Controls, Key, find_meter, key_from
from zhiyin.inference.instruments import Instrument, find_parts, within
from zhiyin.inference.likeness import Likeness, read_likeness
from zhiyin.inference.rhythm import Rhythm, read_rhythm
from zhiyin.inference.scales import Scale, find_scale, split_scale
from zhiyin.measures.chord_symbol import Chord
from zhiyin.measures.key import fifths_of, key_scores
from zhiyin.score.named_parts import named_parts

_RANGE = re.compile(r"^\s*(.+?)\s*[=:]\s*([^.\s]+)\s*(?:\.\.|-)\s*([^.\s]+)\s*$")
_PITCH = re.compile(r"^([A-Ga-g])(##|bb|[#b♯♭])?(-?\d{1,2})$")
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


@dataclass(frozen=True)
class Constraints:
    """What must hold. scale: its name. ranges: (part's name or number, lowest, highest MIDI pitch). chart: chords of each bar."""

    scale: str | None = None
    ranges: tuple[tuple[str, int, int], ...] = ()
    rhythm: Rhythm | None = None
    chart: tuple[tuple[Chord | None, ...], ...] = ()
    like: Likeness | None = None

    def find_scale(self, key: Key) -> Scale | None:
        """The scale that is asked for, on the key's tonic where it names none."""
        return find_scale(self.scale, key) if self.scale else None


def read_constraints(controls: Controls, chords: str | bool = True) -> Constraints:
    """Constraints from controls, and from a chord chart where ``chords`` is one; ControlError for what cannot be read."""
    if controls.scale:
        split_scale(controls.scale)
    ranges = tuple(parse_range(r) for r in controls.ranges)
    doubled = [name for i, (name, *_) in enumerate(ranges) if name.casefold() in (r[0].casefold() for r in ranges[:i])]
    if doubled:
        raise ControlError(f"Two ranges for {doubled[0]!r}", expected="one range for each part", received="two")
    return Constraints(
        controls.scale, ranges, read_rhythm(controls.rhythm) if controls.rhythm else None,
        parse_chart(chords) if isinstance(chords, str) else (), read_likeness(controls.like) if controls.like else None,
    )  # fmt: skip


def plain_controls(given: Mapping[str, Any]) -> dict[str, Any]:
    """The same controls as a record writes them: a rhythm or a piece to be like as data instead of a file."""
    out = dict(given)
    if out.get("rhythm"):
        out["rhythm"] = read_rhythm(out["rhythm"]).as_data()
    if out.get("like"):
        out["like"] = read_likeness(out["like"]).as_data()
    return out


def parse_pitch(name: str) -> int:
    """MIDI pitch of a name such as "C4" (60), "Bb3", "F#5", or of a number."""
    match = _PITCH.match(name.strip())
    number = int(name) if name.strip().isdigit() else None
    if match:
        sign = {"#": 1, "♯": 1, "##": 2, "b": -1, "♭": -1, "bb": -2}.get(match.group(2) or "", 0)
        number = 12 * (int(match.group(3)) + 1) + _LETTERS[match.group(1).upper()] + sign
    if number is None or not 0 <= number <= 127:
        raise ControlError(
            f"{name!r} is not a pitch", expected="a name such as C4 (middle C), Bb3, F#5, or 0..127", received=repr(name)
        )
    return number


def parse_range(text: str) -> tuple[str, int, int]:
    """Part, lowest and highest pitch of "Flute=C4..A5" (the part by its name, its number from 1, or "all")."""
    match = _RANGE.match(text)
    if not match:
        raise ControlError(f"{text!r} is not a range", expected="PART=LOW..HIGH, as in Flute=C4..A5", received=repr(text))
    low, high = parse_pitch(match.group(2)), parse_pitch(match.group(3))
    if low > high:
        raise ControlError(
            f"The range of {match.group(1)} is empty", expected="the lower pitch first", received=f"{match.group(2)}..{match.group(3)}"
        )
    return match.group(1), low, high


def with_ranges(
    parts: Sequence[Instrument], names: Sequence[str], ranges: Sequence[tuple[str, int, int]]
) -> tuple[Instrument, ...]:
    """The instruments with the ranges asked for in place of their own. Raises ControlError for a part that is not there."""
    out = list(parts)
    for name, low, high in ranges:
        for i in named_parts(name, names):
            out[i] = replace(out[i], low=low, high=high)
    return tuple(out)


def with_registers(parts: Sequence[Instrument], rhythm: Rhythm | None) -> tuple[Instrument, ...]:
    """The instruments kept to the registers that the parts of a rhythm have where it was read."""
    ranges = rhythm.ranges if rhythm else ()
    if len(ranges) != len(parts):
        return tuple(parts)
    return tuple(within(p, *r) if p.program != DRUM_PROGRAM and r[0] <= r[1] else p for p, r in zip(parts, ranges))


def settle(controls: Controls, chords: str | bool = True) -> tuple[Controls, Constraints, list[str]]:
    """Controls with what their constraints imply where nothing is said (meter, bars and parts of the rhythm, bars and key
    of the chart, key of the scale, features of the piece to be like), the constraints, and what was assumed.

    Raises ControlError for what contradicts what is said.
    """
    assumed: list[str] = []
    asked = read_constraints(controls, chords)
    if rhythm := asked.rhythm:
        if controls.parts:  # other instruments have other registers
            rhythm = replace(rhythm, ranges=(), register=0.0)
            asked = replace(asked, rhythm=rhythm)
        controls = replace(controls, **_from_rhythm(controls, rhythm, assumed))
    changes: dict[str, Any] = {}
    if asked.chart and not (controls.bars or controls.seconds):
        changes["bars"] = len(asked.chart)
        assumed.append(f"{len(asked.chart)} bars, as many as the chord chart has")
    if not controls.key and asked.scale and split_scale(asked.scale)[0]:
        changes["key"] = find_scale(asked.scale).key
        assumed.append(f"key {changes['key']} for the scale")
    elif not controls.key and asked.chart:
        changes["key"] = chart_key(asked.chart, controls.mode)
        assumed.append(f"key {changes['key']} from the chords")
    controls = replace(controls, **changes)
    if like := asked.like:
        taken = {name: value for name, value in like.controls().items() if not getattr(controls, name)}
        if controls.mode or asked.scale:
            taken.pop("key", None)
        if controls.tempo_range or controls.tempo_word:
            taken.pop("tempo_qpm", None)
        controls = replace(controls, **taken)
        assumed.append(f"{', '.join(n.removesuffix('_qpm') for n in taken) or 'nothing'} of {like.name}")
    return controls, asked, assumed


def _from_rhythm(controls: Controls, rhythm: Rhythm, assumed: list[str]) -> dict[str, Any]:
    if controls.meter and find_meter(controls.meter) != find_meter(rhythm.meter):
        raise ControlError(
            "The meter and the rhythm cannot be met together", expected=f"meter {rhythm.meter}, as {rhythm.name} has it",
            received=f"meter {controls.meter}", hint="leave --meter out",
        )  # fmt: skip
    changes: dict[str, Any] = {} if controls.meter else {"meter": rhythm.meter}
    parts = len(find_parts(controls.parts))
    if parts and parts != len(rhythm.parts):
        raise ControlError(
            "The parts and the rhythm cannot be met together",
            expected=f"{len(rhythm.parts)} part{'s' * (len(rhythm.parts) > 1)}, as {rhythm.name} has",
            received=f"{parts} part{'s' * (parts > 1)}", hint="leave --parts out",
        )  # fmt: skip
    if not parts:
        changes["parts"] = rhythm.parts
        assumed.append(f"the parts of {rhythm.name}" + (" in their registers" if rhythm.ranges else ""))
    if rhythm.register and not controls.register:
        changes["register"] = min(max(rhythm.register, 21), 108)
    if not (controls.bars or controls.seconds):
        changes["bars"] = min(rhythm.bars, MAX_BARS)
        assumed.append(f"{changes['bars']} bars, as many as {rhythm.name} has")
    return changes


def chart_key(chart: Chart, mode: str | None = None) -> str:
    """The key that a chart's chords lie in: the best match of their pitch classes, the last chord's root preferred as tonic."""
    chords = [c for bar in chart for c in bar if c]
    if not chords:
        return "C major"
    weights = np.zeros(12)
    for bar in chart:
        for chord in (c for c in bar if c):
            weights[list(chord.classes)] += 1 / len(bar)
            weights[chord.root] += 1 / len(bar)
    scores = key_scores(weights)
    for chord, more in ((chords[0], 0.1), (chords[-1], 0.25)):
        if chord.third:
            scores[int(chord.third == 3), chord.root] += more
    if mode in ("major", "minor"):
        scores[int(mode == "major")] -= 10
    found_mode, tonic = (int(x) for x in np.unravel_index(int(scores.argmax()), scores.shape))
    return key_from(fifths_of(tonic, found_mode), found_mode).name


def told(asked: Constraints) -> list[str]:
    """The constraints in words, as a report lists them."""
    out = [f"scale {asked.scale}"] if asked.scale else []
    out += [f"range {name} {pitch_name(low)}..{pitch_name(high)}" for name, low, high in asked.ranges]
    out += [f"rhythm of {asked.rhythm.name}"] if asked.rhythm else []
    return out + ([f"chords {chart_text(asked.chart)}"] if asked.chart else [])

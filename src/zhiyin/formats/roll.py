"""The piano roll as SVG: time runs to the right, pitch upwards, one line for every few bars.

It reads a Score and writes a picture. The colours follow the reader's light or dark setting; a PNG is always light.
Every line of bars is a ``<g class="system">`` that says where it lies: ``data-onset`` and ``data-end`` in ticks,
``data-x``, ``data-width``, ``data-y``, ``data-height`` in the units of the drawing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

import numpy as np

from zhiyin.errors import FormatError, InputError
from zhiyin.formats.files import atomic_write
from zhiyin.formats.limits import LIMITS, check
from zhiyin.formats.raster import svg_to_png
from zhiyin.score.score import UNKNOWN_KEY, UNSPELLED, Score

LIGHT = ("#3b6fd4", "#d9562b", "#1d9a6c", "#9a4fd0", "#b98300", "#d23c77", "#0f8a9d", "#5d6778")
DARK = ("#7fa8ff", "#ff8a5e", "#4fd1a0", "#c78bff", "#f0bd45", "#ff7fae", "#4fc9dc", "#a9b4c6")
GIVEN_LIGHT, GIVEN_DARK = "#9aa1ad", "#707988"
TOOLTIP_NOTES = 4000  # above this many notes the names shown under the pointer are left out
_LEFT, _RIGHT = 46.0, 14.0  # margins beside the bars
_LINE_BARS = (16, 12, 8, 6, 4, 3, 2, 1)
_MIN_QUARTER = 13.0  # narrowest quarter note in drawing units
_MIN_NOTE = 4.4  # and of the notes that nine in ten are longer than
_DRUM_ROW = 7.0
_DRUM_NAMES = {
    35: "Kick",
    36: "Kick",
    37: "Rim",
    38: "Snare",
    39: "Clap",
    40: "Snare",
    41: "Tom",
    42: "Hat",
    43: "Tom",
    44: "Pedal",
    45: "Tom",
    46: "Open",
    47: "Tom",
    48: "Tom",
    49: "Crash",
    50: "Tom",
    51: "Ride",
    53: "Bell",
    54: "Tamb.",
    55: "Splash",
    56: "Cowbell",
    57: "Crash",
    59: "Ride",
}
_STEPS = "FCGDAEB"
_FLATS = ("C", "D♭", "D", "E♭", "E", "F", "G♭", "G", "A♭", "A", "B♭", "B")
_SHARPS = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_SECTION = re.compile(r"\b([A-Z][′'’]*|[A-Za-z]{3,12})\s*[:=]?\s*(\d+)\s*[-–]\s*(\d+)")
_REHEARSAL = re.compile(r"^[A-Z][′'’]*\d?$")


@dataclass(frozen=True, slots=True)
class Section:
    """A named stretch of bars: ``first`` and ``last`` are rows of Score.bars, both inside the section."""

    name: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where things go. ``lines``: (first, last + 1) rows of bars; all lengths in drawing units."""

    width: float
    per_tick: float
    lines: tuple[tuple[int, int], ...]
    low: int  # lowest pitch on the axis
    high: int  # highest
    row: float  # height of a semitone
    drums: tuple[int, ...]  # drum keys that sound, high to low
    top: float  # height of the heading
    strip: float  # height above each line for bar numbers and sections

    @property
    def pitched(self) -> float:
        return (self.high - self.low + 1) * self.row if self.high >= self.low else 0.0

    @property
    def body(self) -> float:
        return self.pitched + (4.0 if self.pitched and self.drums else 0.0) + len(self.drums) * _DRUM_ROW

    def y_of_line(self, line: int) -> float:
        return self.top + line * (self.strip + self.body + 16.0) + self.strip

    @property
    def height(self) -> float:
        return self.y_of_line(len(self.lines) - 1) + self.body + 14.0

    def y_of_pitch(self, pitch: float) -> float:
        return (self.high - pitch) * self.row

    def y_of_drum(self, key: int) -> float:
        return self.body - len(self.drums) * _DRUM_ROW + self.drums.index(key) * _DRUM_ROW


def roll_svg(
    score: Score, *, width: int = 1200, given: np.ndarray | None = None, heading: bool = True, bars_per_line: int = 0
) -> str:
    """The piano roll of a score, one ``<rect>`` of class ``note`` for every note.

    given: bool, shape (notes,): notes drawn grey because they were there before. heading: whether title, composer and
    the legend of parts stand on top. bars_per_line: 0 chooses 16, or fewer where bars are long.
    """
    limits = LIMITS["engraving"]
    check("notes", len(score.notes), limits, "the piece")
    check("bars", len(score.bars), limits, "the piece")
    mask = _given_mask(score, given)
    if not 200 <= width <= 8000:
        raise InputError("width out of range", expected="200..8000", received=str(width))
    plan = _plan(score, float(width), heading, bars_per_line)
    body = [
        _style(score, bool(mask.any())),
        f'<rect class="paper" width="{width}" height="{plan.height:g}" fill="#ffffff"/>',
    ]
    if heading:
        body.extend(_heading(score, plan, bool(mask.any())))
    for line in range(len(plan.lines)):
        body.extend(_line(score, plan, line, mask))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="roll" class="zhiyin-roll" viewBox="0 0 {width} {plan.height:g}" '
        f'width="{width}" height="{plan.height:g}" role="img" font-family="Inter, Helvetica, Arial, sans-serif">'
        f"<title>{_text(_title(score))}: piano roll</title>{''.join(body)}</svg>"
    )


def write_roll(
    score: Score, path: str | Path, *, width: int = 1200, given: np.ndarray | None = None, heading: bool = True
) -> Path:
    """Writes the piano roll to a .svg or .png file (a PNG is twice ``width`` pixels wide)."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".svg", ".png"):
        raise FormatError(f"{path} has no picture format", expected=".svg or .png", received=suffix or "no suffix")
    svg = roll_svg(score, width=width, given=given, heading=heading)
    return atomic_write(path, svg if suffix == ".svg" else svg_to_png(svg, width=min(2 * width, 8000)))


def sections_of(score: Score) -> tuple[Section, ...]:
    """The sections that a score names: ``metadata["sections"]`` ("A 1-8, B 9-16"), else single letters among its texts."""
    found = [
        Section(name, *(_row_of_bar(score, int(n)) for n in (first, last)))
        for name, first, last in _SECTION.findall(score.metadata.get("sections", ""))
        if int(first) <= int(last)
    ]
    if found:
        return tuple(found)
    letters = [
        (int(score.bar_of(m.onset)), m.value) for m in score.marks if m.kind == "text" and _REHEARSAL.match(m.value)
    ]
    letters = list(dict(letters).items())
    ends = [bar for bar, _ in letters[1:]] + [len(score.bars)]
    return tuple(Section(name, bar, end - 1) for (bar, name), end in zip(letters, ends))


def _row_of_bar(score: Score, number: int) -> int:
    rows = np.flatnonzero(score.bars["number"] == number)
    return int(rows[0]) if len(rows) else min(max(number - 1, 0), len(score.bars) - 1)


def pitch_name(pitch: int, spelling: int = UNSPELLED, fifths: int = 0) -> str:
    """ "F♯4" for a MIDI number: by its spelling where it has one, else sharps or flats by the key signature."""
    if spelling != UNSPELLED:
        shift, accidental = (spelling + 1) % 7, (spelling + 1) // 7
        natural = (pitch - accidental) // 12 - 1
        return _STEPS[shift] + ("♯" * accidental if accidental > 0 else "♭" * -accidental) + str(natural)
    return (_FLATS if fifths < 0 else _SHARPS)[pitch % 12] + str(pitch // 12 - 1)


def _given_mask(score: Score, given: np.ndarray | None) -> np.ndarray:
    if given is None:
        return np.zeros(len(score.notes), dtype=bool)
    mask = np.asarray(given)
    if mask.shape != (len(score.notes),) or mask.dtype != bool:
        raise InputError(
            "given does not fit the notes",
            expected=f"bool, shape ({len(score.notes)},)",
            received=f"{mask.dtype}, shape {mask.shape}",
        )
    return mask


def _drum_notes(score: Score) -> np.ndarray:
    return np.array([part.drums for part in score.parts] or [False], dtype=bool)[score.notes["part"]]


def _plan(score: Score, width: float, heading: bool, bars_per_line: int) -> _Plan:
    inner = width - _LEFT - _RIGHT
    lines = _lines(score, inner, bars_per_line)
    starts = np.r_[score.bars["onset"], score.bars["onset"][-1] + score.bars["duration"][-1]].astype(np.int64)
    longest = max(int(starts[last] - starts[first]) for first, last in lines)
    drums = _drum_notes(score)
    pitches = score.notes["pitch"][~drums]
    low, high = (int(pitches.min()), int(pitches.max())) if len(pitches) else (60, 59 if drums.any() else 71)
    if len(pitches):
        low, high = max(low - 2, 0), min(high + 2, 127)
        missing = max(0, 17 - (high - low))
        low, high = max(low - missing // 2, 0), min(high + missing - missing // 2, 127)
    keys = tuple(int(k) for k in np.unique(score.notes["pitch"][drums])[::-1])
    row = float(np.clip(230.0 / max(high - low + 1, 1), 3.2, 8.0))
    return _Plan(
        width,
        inner / longest,
        lines,
        low,
        high,
        row,
        keys,
        74.0 if heading else 6.0,
        34.0 if sections_of(score) else 18.0,
    )


def _lines(score: Score, inner: float, bars_per_line: int) -> tuple[tuple[int, int], ...]:
    quarters = float(np.median(score.bars["duration"])) / score.ticks_per_quarter
    sounding = score.notes["duration"][score.notes["duration"] > 0]
    short = float(np.quantile(sounding, 0.1)) / score.ticks_per_quarter if len(sounding) else 1.0
    quarter = max(_MIN_QUARTER, min(_MIN_NOTE / short, 4 * _MIN_QUARTER))
    count = bars_per_line or next((n for n in _LINE_BARS if inner / (n * quarters) >= quarter), 1)
    upbeat = int(score.bars["number"][0] == 0)
    first = min(count + upbeat, len(score.bars))
    cuts = [0, *range(first, len(score.bars), count), len(score.bars)]
    return tuple(pairwise(cuts))


def _style(score: Score, given: bool) -> str:
    colours = range(min(len(score.parts), len(LIGHT)))
    dark = "".join(f"#roll .p{i}{{fill:{DARK[i]}}}" for i in colours)
    dark += f"#roll .given{{fill:{GIVEN_DARK}}}" if given else ""
    return (
        "<style>@media (prefers-color-scheme: dark){#roll .paper{fill:#16181d}#roll .lane{fill:#1c1f26}#roll .black{fill:#181a20}"
        "#roll .beat{stroke:#262a33}#roll .bar{stroke:#3b414d}#roll .octave{stroke:#343a46}#roll text{fill:#9aa3b2}"
        f"#roll .strong{{fill:#e9ecf1}}#roll .section{{fill:#2a303b}}{dark}}}</style>"
    )


def _heading(score: Score, plan: _Plan, given: bool) -> Iterator[str]:
    yield f'<text class="strong" x="{_LEFT:g}" y="30" font-size="20" font-weight="bold" fill="#1c2026">{_text(_title(score))}</text>'
    composer = score.metadata.get("composer", "")
    if composer:
        yield f'<text x="{plan.width - _RIGHT:g}" y="30" font-size="13" text-anchor="end" fill="#5b6472">{_text(composer)}</text>'
    x = _LEFT
    names = [
        (f"p{i % len(LIGHT)}", LIGHT[i % len(LIGHT)], part.name or f"Part {i + 1}")
        for i, part in enumerate(score.parts)
    ]
    if given:
        names.append(("given", GIVEN_LIGHT, "given"))
    for number, (name, colour, label) in enumerate(names):
        label = label if len(label) <= 24 else label[:23] + "…"
        step = 30.0 + 6.6 * len(label)
        if x + step > plan.width - _RIGHT - 40 and number < len(names) - 1:
            yield f'<text x="{x:g}" y="57" font-size="12" fill="#5b6472">+ {len(names) - number} more</text>'
            break
        yield f'<rect class="{name}" x="{x:g}" y="47" width="12" height="12" rx="3" fill="{colour}"/>'
        yield f'<text x="{x + 18:g}" y="57" font-size="12" fill="#5b6472">{_text(label)}</text>'
        x += step


def _line(score: Score, plan: _Plan, line: int, given: np.ndarray) -> Iterator[str]:
    first, last = plan.lines[line]
    start = int(score.bars["onset"][first])
    end = int(score.bars["onset"][last - 1] + score.bars["duration"][last - 1])
    y, width = plan.y_of_line(line), (end - start) * plan.per_tick
    yield (
        f'<g class="system" data-onset="{start}" data-end="{end}" data-x="{_LEFT:g}" data-width="{width:.2f}" data-y="{y:.2f}" '
        f'data-height="{plan.body:.2f}" transform="translate({_LEFT:g} {y:.2f})">'
    )
    yield from _lanes(plan, width)
    yield from _grid(score, plan, (first, last), start)
    yield from _sections(score, plan, (first, last), start)
    yield from _notes(score, plan, (start, end, line == len(plan.lines) - 1), given)
    yield "</g>"


def _lanes(plan: _Plan, width: float) -> Iterator[str]:
    if plan.pitched:
        yield f'<rect class="lane" width="{width:.2f}" height="{plan.pitched:.2f}" fill="#f7f8fa"/>'
        dark = [p for p in range(plan.low, plan.high + 1) if p % 12 in (1, 3, 6, 8, 10)]
        path = "".join(f"M0 {plan.y_of_pitch(p):.2f}h{width:.2f}v{plan.row:.2f}H0z" for p in dark)
        yield f'<path class="black" d="{path}" fill="#eef0f4"/>'
    for pitch in range(plan.low + 11 - (plan.low + 11) % 12, plan.high + 1, 12):
        y = plan.y_of_pitch(pitch) + plan.row
        yield f'<path class="octave" d="M0 {y:.2f}h{width:.2f}" stroke="#d5dae2" stroke-width="0.8"/>'
        yield f'<text x="-8" y="{y - plan.row / 2 + 3.4:.2f}" font-size="10" text-anchor="end" fill="#7a8392">C{pitch // 12 - 1}</text>'
    for key in plan.drums:
        y = plan.y_of_drum(key)
        yield f'<rect class="lane" y="{y:.2f}" width="{width:.2f}" height="{_DRUM_ROW - 1:g}" fill="#f3f4f7"/>'
        name = _DRUM_NAMES.get(key, str(key))
        yield f'<text x="-8" y="{y + 5.6:.2f}" font-size="7.5" text-anchor="end" fill="#7a8392">{name}</text>'


def _grid(score: Score, plan: _Plan, rows: tuple[int, int], start: int) -> Iterator[str]:
    bars = score.bars[rows[0] : rows[1]]
    beats, lines, gap, label_end = [], [], 0.0, -99.0
    for bar in bars:
        x = (int(bar["onset"]) - start) * plan.per_tick
        beat = _beat_ticks(score, bar)
        for tick in range(beat, int(bar["duration"]), beat) if beat * plan.per_tick >= 5 else ():
            beats.append(f"M{x + tick * plan.per_tick:.2f} 0v{plan.body:.2f}")
        lines.append(f"M{x:.2f} -3v{plan.body + 3:.2f}")
        gap = x - label_end
        if gap >= 6:
            label = str(int(bar["number"]))
            yield f'<text x="{x + 3:.2f}" y="-4" font-size="10" fill="#7a8392">{label}</text>'
            label_end = x + 3 + 6.0 * len(label)
    right = (int(bars["onset"][-1] + bars["duration"][-1]) - start) * plan.per_tick
    lines.append(f"M{right:.2f} -3v{plan.body + 3:.2f}")
    if beats:
        yield f'<path class="beat" d="{"".join(beats)}" stroke="#e4e7ec" stroke-width="0.7" fill="none"/>'
    yield f'<path class="bar" d="{"".join(lines)}" stroke="#c3c9d3" stroke-width="1" fill="none"/>'


def _beat_ticks(score: Score, bar: np.void) -> int:
    numerator, denominator = int(bar["meter_numerator"]), max(int(bar["meter_denominator"]), 1)
    unit = 4 * score.ticks_per_quarter // denominator
    compound = denominator >= 8 and numerator > 3 and numerator % 3 == 0
    return max(unit * 3 if compound else unit, 1)


def _sections(score: Score, plan: _Plan, rows: tuple[int, int], start: int) -> Iterator[str]:
    bars = score.bars
    for section in sections_of(score):
        first, last = max(section.first, rows[0]), min(section.last, rows[1] - 1)
        if first > last:
            continue
        x = (int(bars["onset"][first]) - start) * plan.per_tick
        right = (int(bars["onset"][last] + bars["duration"][last]) - start) * plan.per_tick
        yield f'<rect class="section" x="{x + 1:.2f}" y="-31" width="{max(right - x - 2, 4):.2f}" height="14" rx="4" fill="#e8ebf1"/>'
        if section.first >= rows[0]:
            yield f'<text class="strong" x="{x + 7:.2f}" y="-20.4" font-size="10.5" font-weight="bold" fill="#3a4250">{_text(section.name)}</text>'


def _notes(score: Score, plan: _Plan, span: tuple[int, int, bool], given: np.ndarray) -> Iterator[str]:
    start, end, is_last = span
    onsets = score.notes["onset"]
    here = np.flatnonzero((onsets >= start) & ((onsets < end) | is_last))
    drums, tips = _drum_notes(score), len(score.notes) <= TOOLTIP_NOTES
    for part in np.unique(score.notes["part"][here]):
        for is_given in (False, True):
            chosen = here[(score.notes["part"][here] == part) & (given[here] == is_given)]
            if not len(chosen):
                continue
            index = int(part) % len(LIGHT)
            name, colour = ("given", GIVEN_LIGHT) if is_given else (f"p{index}", LIGHT[index])
            yield f'<g class="{name}" fill="{colour}">'
            for i in chosen:
                yield _note(score, plan, int(i), span, bool(drums[i]), tips)
            yield "</g>"


def _note(score: Score, plan: _Plan, i: int, span: tuple[int, int, bool], drum: bool, tip: bool) -> str:
    note = score.notes[i]
    onset, pitch = int(note["onset"]), int(note["pitch"])
    x = (onset - span[0]) * plan.per_tick
    room = max((span[1] - onset) * plan.per_tick, 2.0) + (10.0 if not span[2] else 4.0)
    width = min(max(int(note["duration"]) * plan.per_tick - 0.8, 2.2), room) if not drum else 4.0
    y = plan.y_of_drum(pitch) if drum else plan.y_of_pitch(pitch)
    height = (_DRUM_ROW - 1) if drum else plan.row
    velocity = int(note["velocity"])
    opacity = f' opacity="{0.5 + 0.5 * velocity / 127:.2f}"' if velocity else ""
    rect = (
        f'<rect class="note" x="{x:.2f}" y="{y + 0.2:.2f}" width="{width:.2f}" height="{height - 0.4:.2f}" '
        f'rx="{min(2.0, width / 3, height / 2):.1f}"{opacity}'
    )
    return f"{rect}><title>{_tip(score, note, drum)}</title></rect>" if tip else f"{rect}/>"


def _tip(score: Score, note: np.void, drum: bool) -> str:
    bar = score.bars[int(score.bar_of(int(note["onset"])))]
    fifths = int(bar["key"]) if bar["key"] != UNKNOWN_KEY else 0
    pitch = int(note["pitch"])
    name = _DRUM_NAMES.get(pitch, f"drum {pitch}") if drum else pitch_name(pitch, int(note["spelling"]), fifths)
    part = score.parts[int(note["part"])].name
    return _text(" · ".join(filter(None, (name, f"bar {int(bar['number'])}", part))))


def _title(score: Score) -> str:
    return score.metadata.get("title", "") or "Untitled"


def _text(text: str) -> str:
    """Text that is safe in XML: escaped, and without the control characters that XML forbids."""
    return escape("".join(c for c in text if c >= " " and not 0xD800 <= ord(c) <= 0xDFFF and c not in "\ufffe\uffff"))

"""The piano roll as SVG: time runs to the right, pitch upwards, one line for every few bars.

It reads a Score and writes a picture. The colours follow the reader's light or dark setting; a PNG is always light.
Every line of bars is a ``<g class="system">`` that says where it lies: ``data-onset`` and ``data-end`` in ticks,
``data-x``, ``data-width``, ``data-y``, ``data-height`` in the units of the drawing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from zhiyin.errors import FormatError, InputError
from zhiyin.formats.files import atomic_write
from zhiyin.formats.limits import LIMITS, check
from zhiyin.formats.raster import svg_to_png
from zhiyin.formats.roll_names import DRUM_NAMES, colour_groups, drum_mask, note_label, sections_of
from zhiyin.formats.svg import Attributes, plain, shape
from zhiyin.score.score import Score

LIGHT = ("#3b6fd4", "#d9562b", "#1d9a6c", "#9a4fd0", "#b98300", "#d23c77", "#0f8a9d", "#5d6778")
DARK = ("#7fa8ff", "#ff8a5e", "#4fd1a0", "#c78bff", "#f0bd45", "#ff7fae", "#4fc9dc", "#a9b4c6")
GIVEN_LIGHT, GIVEN_DARK = "#9aa1ad", "#707988"
TOOLTIP_NOTES = 4000  # above this many notes the names shown under the pointer are left out
SOFT, STRONG = "#6a7280", "#1c2026"  # text
NIGHT = (
    "#roll .paper{fill:#16181d}#roll .lane{fill:#1c1f26}#roll .black{fill:#181a20}#roll .beat{stroke:#262a33}"
    "#roll .bar{stroke:#3b414d}#roll .octave{stroke:#343a46}#roll text{fill:#9aa3b2}#roll .strong{fill:#e9ecf1}"
    "#roll .section{fill:#2a303b}"
)
_LEFT, _RIGHT = 46.0, 14.0  # margins beside the bars
_LINE_BARS = (16, 12, 8, 6, 4, 3, 2, 1)
_MIN_QUARTER = 13.0  # narrowest quarter note
_MIN_NOTE = 4.4  # narrowest note, one in ten left aside
_PITCHES = 18  # the axis shows at least so many
_DRUM_ROW = 7.0
_DRUM_GAP = 4.0
_LINE_GAP = 16.0


@dataclass(frozen=True, slots=True)
class Plan:
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
        """Height of the pitched lanes."""
        return (self.high - self.low + 1) * self.row

    @property
    def body(self) -> float:
        """Height of a line: pitched lanes and drum lanes."""
        return self.pitched + (_DRUM_GAP if self.pitched and self.drums else 0.0) + len(self.drums) * _DRUM_ROW

    @property
    def height(self) -> float:
        """Height of the drawing."""
        return round(self.y_of_line(len(self.lines) - 1) + self.body + 14.0, 2)

    def y_of_line(self, line: int) -> float:
        """Top of a line's lanes."""
        return self.top + line * (self.strip + self.body + _LINE_GAP) + self.strip

    def y_of_pitch(self, pitch: float) -> float:
        """Top of a pitch's lane, within a line."""
        return (self.high - pitch) * self.row

    def y_of_drum(self, key: int) -> float:
        """Top of a drum's lane, within a line."""
        return self.body - (len(self.drums) - self.drums.index(key)) * _DRUM_ROW


def roll_svg(
    score: Score, *, width: int = 1200, given: np.ndarray | None = None, heading: bool = True, bars_per_line: int = 0
) -> str:
    """The piano roll of a score, one ``<rect>`` of class ``note`` for every note.

    given: bool, shape (notes,): notes drawn grey because they were there before. heading: whether title and composer
    stand on top (the legend of parts always does). bars_per_line: 0 chooses 16, or fewer where there is much to show.
    """
    limits = LIMITS["engraving"]
    check("notes", len(score.notes), limits, "the piece")
    check("bars", len(score.bars), limits, "the piece")
    if not 200 <= width <= 8000:
        raise InputError("width out of range", expected="200..8000", received=str(width))
    mask = _given_mask(score, given)
    plan = _plan(score, float(width), heading, bars_per_line)
    title = score.metadata.get("title", "") or "Untitled"
    body = [f"<title>{plain(title)}: piano roll</title>", _style(score, bool(mask.any()))]
    body.append(shape("rect", class_="paper", width=width, height=plan.height, fill="#ffffff"))
    if heading:
        body.extend(_heading(title, score.metadata.get("composer", ""), plan))
    body.extend(_legend(score, plan, bool(mask.any())))
    for line in range(len(plan.lines)):
        body.extend(_line(score, plan, line, mask))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="roll" class="zhiyin-roll" viewBox="0 0 {width} {plan.height:g}" '
        f'width="{width}" height="{plan.height:g}" role="img" font-family="Helvetica, Arial, sans-serif">'
        f"{''.join(body)}</svg>"
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


def _plan(score: Score, width: float, heading: bool, bars_per_line: int) -> Plan:
    inner = width - _LEFT - _RIGHT
    lines = _lines(score, inner, bars_per_line)
    starts = np.r_[score.bars["onset"], _end_of(score, len(score.bars))].astype(np.int64)
    longest = max(int(starts[last] - starts[first]) for first, last in lines)
    low, high = _axis(score)
    keys = tuple(int(key) for key in np.unique(score.notes["pitch"][drum_mask(score)])[::-1])
    row = float(np.clip(250.0 / max(high - low + 1, 1), 3.2, 8.0))
    top = 74.0 if heading else 36.0
    return Plan(width, inner / longest, lines, low, high, row, keys, top, 34.0 if sections_of(score) else 18.0)


def _axis(score: Score) -> tuple[int, int]:
    """Lowest and highest pitch that are shown; high < low where only drums play."""
    drums = drum_mask(score)
    pitches = score.notes["pitch"][~drums]
    if not len(pitches):
        return (60, 59) if drums.any() else (60, 60 + _PITCHES - 1)
    low, high = int(pitches.min()) - 2, int(pitches.max()) + 2
    missing = max(0, _PITCHES - 1 - (high - low))
    return max(low - missing // 2, 0), min(high + missing - missing // 2, 127)


def _lines(score: Score, inner: float, bars_per_line: int) -> tuple[tuple[int, int], ...]:
    """Rows of bars on each line: equally many, the upbeat beside the first."""
    quarters = float(np.median(score.bars["duration"])) / score.ticks_per_quarter
    sounding = score.notes["duration"][score.notes["duration"] > 0]
    short = float(np.quantile(sounding, 0.1)) / score.ticks_per_quarter if len(sounding) else 1.0
    quarter = float(np.clip(_MIN_NOTE / short, _MIN_QUARTER, 4 * _MIN_QUARTER))
    count = bars_per_line or next((n for n in _LINE_BARS if inner / (n * quarters) >= quarter), 1)
    first = min(count + int(score.bars["number"][0] == 0), len(score.bars))
    return tuple(pairwise([0, *range(first, len(score.bars), count), len(score.bars)]))


def _end_of(score: Score, row: int) -> int:
    """Ticks of the bar line before ``row`` of the bars (after the last one where row is their number)."""
    return int(score.bars["onset"][row - 1] + score.bars["duration"][row - 1])


def _style(score: Score, given: bool) -> str:
    parts = "".join(f"#roll .p{i}{{fill:{DARK[i]}}}" for i in range(min(len(colour_groups(score)[0]), len(DARK))))
    grey = f"#roll .given{{fill:{GIVEN_DARK}}}" if given else ""
    return f"<style>@media (prefers-color-scheme: dark){{{NIGHT}{parts}{grey}}}</style>"


def _heading(title: str, composer: str, plan: Plan) -> Iterator[str]:
    yield shape("text", title, class_="strong", x=_LEFT, y=30, font_size=20, font_weight="bold", fill=STRONG)
    if composer:
        yield shape("text", composer, x=plan.width - _RIGHT, y=30, font_size=13, text_anchor="end", fill=SOFT)


def _legend(score: Score, plan: Plan, given: bool) -> Iterator[str]:
    names = [(f"p{i % 8}", LIGHT[i % 8], label) for i, label in enumerate(colour_groups(score)[0])]
    names += [("given", GIVEN_LIGHT, "given")] if given else []
    x, y = _LEFT, plan.top - 27
    for number, (name, colour, label) in enumerate(names):
        label = label if len(label) <= 24 else label[:23] + "…"
        step = 34.0 + sum(8.2 if c.isupper() else 12.2 if c > "\u2e80" else 6.2 for c in label)
        if x + step > plan.width - _RIGHT - 60 and number < len(names) - 1:
            yield shape("text", f"+ {len(names) - number}", x=x, y=y + 10, font_size=12, fill=SOFT)
            return
        yield shape("rect", class_=name, x=x, y=y, width=12, height=12, rx=3, fill=colour)
        yield shape("text", label, x=x + 18, y=y + 10, font_size=12, fill=SOFT)
        x += step


def _line(score: Score, plan: Plan, line: int, given: np.ndarray) -> Iterator[str]:
    first, last = plan.lines[line]
    start, end = int(score.bars["onset"][first]), _end_of(score, last)
    y, width = plan.y_of_line(line), (end - start) * plan.per_tick
    yield (
        f'<g class="system" data-onset="{start}" data-end="{end}" data-x="{_LEFT:g}" data-width="{width:.2f}" '
        f'data-y="{y:.2f}" data-height="{plan.body:.2f}" transform="translate({_LEFT:g} {y:.2f})">'
    )
    yield from lanes(plan, width)
    yield from _grid(score, plan, (first, last), start)
    yield from _sections(score, plan, (first, last), start)
    yield from _notes(score, plan, line, given)
    yield "</g>"


def lanes(plan: Plan, width: float) -> Iterator[str]:
    """The ground of a line: black keys shaded, a line and a name at each C, a lane for each drum."""
    if plan.pitched:
        yield shape("rect", class_="lane", width=width, height=plan.pitched, fill="#f7f8fa")
        black = [p for p in range(plan.low, plan.high + 1) if p % 12 in (1, 3, 6, 8, 10)]
        path = "".join(f"M0 {plan.y_of_pitch(p):.2f}h{width:.2f}v{plan.row:.2f}H0z" for p in black)
        yield shape("path", class_="black", d=path, fill="#eef0f4")
    for pitch in range(-(-plan.low // 12) * 12, plan.high + 1, 12):
        y = plan.y_of_pitch(pitch) + plan.row
        yield shape("path", class_="octave", d=f"M0 {y:.2f}h{width:.2f}", stroke="#d5dae2", stroke_width=0.8)
        label: Attributes = {"x": -8, "y": y - plan.row / 2 + 3.4, "font_size": 10, "text_anchor": "end", "fill": SOFT}
        yield shape("text", f"C{pitch // 12 - 1}", **label)
    for key in plan.drums:
        y = plan.y_of_drum(key)
        yield shape("rect", class_="lane", y=y, width=width, height=_DRUM_ROW - 1, fill="#f3f4f7")
        name = DRUM_NAMES.get(key, str(key))
        yield shape("text", name, x=-8, y=y + 5.6, font_size=7.5, text_anchor="end", fill=SOFT)


def _grid(score: Score, plan: Plan, rows: tuple[int, int], start: int) -> Iterator[str]:
    beats, lines, free = "", "", -9.0
    for bar in score.bars[rows[0] : rows[1]]:
        x = (int(bar["onset"]) - start) * plan.per_tick
        beat = _beat_ticks(score, bar)
        for tick in range(beat, int(bar["duration"]), beat) if beat * plan.per_tick >= 5 else ():
            beats += f"M{x + tick * plan.per_tick:.2f} 0v{plan.body:.2f}"
        lines += f"M{x:.2f} -3v{plan.body + 3:.2f}"
        label = str(int(bar["number"]))
        if x >= free:
            yield shape("text", label, x=x + 3, y=-4, font_size=10, fill=SOFT)
            free = x + 9 + 6.0 * len(label)
    lines += f"M{(_end_of(score, rows[1]) - start) * plan.per_tick:.2f} -3v{plan.body + 3:.2f}"
    if beats:
        yield shape("path", class_="beat", d=beats, stroke="#e4e7ec", stroke_width=0.7, fill="none")
    yield shape("path", class_="bar", d=lines, stroke="#c3c9d3", fill="none")


def _beat_ticks(score: Score, bar: np.void) -> int:
    numerator, denominator = int(bar["meter_numerator"]), max(int(bar["meter_denominator"]), 1)
    unit = 4 * score.ticks_per_quarter // denominator
    compound = denominator >= 8 and numerator > 3 and numerator % 3 == 0
    return max(unit * 3 if compound else unit, 1)


def _sections(score: Score, plan: Plan, rows: tuple[int, int], start: int) -> Iterator[str]:
    for section in sections_of(score):
        first, last = max(section.first, rows[0]), min(section.last, rows[1] - 1)
        if first > last:
            continue
        x = (int(score.bars["onset"][first]) - start) * plan.per_tick + 1
        width = max((_end_of(score, last + 1) - start) * plan.per_tick - x - 1, 4.0)
        yield shape("rect", class_="section", x=x, y=-31, width=width, height=14, rx=4, fill="#e8ebf1")
        if section.first >= rows[0]:
            look: Attributes = {"font_size": 10.5, "font_weight": "bold", "fill": STRONG}
            yield shape("text", section.name, class_="strong", x=x + 6, y=-20.4, **look)


def _notes(score: Score, plan: Plan, line: int, given: np.ndarray) -> Iterator[str]:
    first, last = plan.lines[line]
    start, end = int(score.bars["onset"][first]), _end_of(score, last)
    is_last = line == len(plan.lines) - 1
    onsets, groups = score.notes["onset"], colour_groups(score)[1]
    here = np.flatnonzero((onsets >= start) & ((onsets < end) | is_last))
    for group in np.unique(groups[here])[::-1]:  # the first part, often the melody, lies on top
        for grey in (False, True):
            chosen = here[(groups[here] == group) & (given[here] == grey)]
            index = int(group) % len(LIGHT)
            name, colour = ("given", GIVEN_LIGHT) if grey else (f"p{index}", LIGHT[index])
            if len(chosen):
                yield f'<g class="{name}" fill="{colour}">'
                yield from (_note(score, plan, int(i), (start, end)) for i in chosen)
                yield "</g>"


def _note(score: Score, plan: Plan, index: int, span: tuple[int, int]) -> str:
    note = score.notes[index]
    onset, pitch, velocity = int(note["onset"]), int(note["pitch"]), int(note["velocity"])
    drum = score.parts[int(note["part"])].drums
    x = (onset - span[0]) * plan.per_tick
    room = max((span[1] - onset) * plan.per_tick, 0.0) + 8.0  # a note over the end of the line shows that it goes on
    width = 4.0 if drum else min(max(int(note["duration"]) * plan.per_tick - 0.8, 2.2), room)
    y, height = (plan.y_of_drum(pitch), _DRUM_ROW - 1) if drum else (plan.y_of_pitch(pitch), plan.row)
    place: Attributes = {"x": x, "y": y + 0.2, "width": width, "height": height - 0.4}
    if velocity:
        place["opacity"] = 0.5 + 0.5 * velocity / 127
    rect = shape("rect", "", class_="note", **place, rx=min(2.0, width / 3, height / 2))
    if len(score.notes) > TOOLTIP_NOTES:
        return rect
    return f"{rect[:-2]}><title>{plain(note_label(score, index))}</title></rect>"

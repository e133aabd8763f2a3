"""Two passages that share notes, drawn as piano rolls one above the other: shared notes coloured and joined.

Time runs to the right in both; the lower passage is stretched (or squeezed) so that shared notes stand under each
other. It reads two Scores and knows nothing of where they come from or why they were compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from zhiyin.errors import FormatError, InputError
from zhiyin.formats.files import atomic_write
from zhiyin.formats.raster import svg_to_png
from zhiyin.formats.roll import DARK, LIGHT, NIGHT, SOFT, STRONG, Plan, lanes
from zhiyin.formats.roll_names import drum_mask, note_label
from zhiyin.formats.svg import Attributes, plain, shape
from zhiyin.score.score import Score

_LEFT, _RIGHT = 46.0, 14.0
_TOP, _LABEL, _STRIP, _BETWEEN, _AFTER = 48.0, 20.0, 14.0, 22.0, 30.0  # heights of what stands around the rolls
_LINE_BARS = 8  # bars of the upper passage on one line, at most
_MIN_QUARTER = 26.0  # narrowest quarter note
_ROLL = 130.0  # height of a roll, about
_PITCHES = 12  # an axis shows at least so many
_OTHER = "#c3c9d3"
_MATCH = LIGHT[1]
MAX_LINES = 12  # a longer passage is drawn to here, and says so


@dataclass(frozen=True)
class Side:
    """One of the two passages.

    label: what it is, in words. matched: indices int64 (shared,) into ``score.notes``, in the order in which they
    answer the other side's. score: None where the notes are not at hand; ``note`` then stands in their place.
    """

    label: str
    score: Score | None = None
    matched: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    note: str = ""


@dataclass(frozen=True)
class _Panel:
    """A roll of one side: the clock ``x = (tick - zero) * per_tick`` in drawing units, and its axis of pitches."""

    score: Score
    matched: np.ndarray
    zero: float
    per_tick: float
    plan: Plan

    def x(self, tick: float) -> float:
        return (tick - self.zero) * self.per_tick


def passage_svg(upper: Side, lower: Side, *, caption: str = "", width: int = 1200) -> str:
    """The two passages as one SVG drawing. ``upper`` has its score; caption: a line above both.

    Every shared note is a ``<rect class="match">``, every join a ``<path class="join">``.
    """
    if upper.score is None or not len(upper.matched):
        raise InputError("There is no passage to draw", expected="a score and ≥ 1 shared note", received="none")
    if lower.score is not None and len(lower.matched) != len(upper.matched):
        raise InputError(
            "The two passages do not share the same notes",
            expected=f"{len(upper.matched)} matched notes below",
            received=str(len(lower.matched)),
        )
    if not 400 <= width <= 4000:
        raise InputError("width out of range", expected="400..4000", received=str(width))
    lines = _lines(upper.score, upper.matched, width - _LEFT - _RIGHT)
    panels = [_panel(upper.score, upper.matched, upper.score, upper.matched, lines, width)]
    if lower.score is not None:
        panels.append(_panel(lower.score, lower.matched, upper.score, upper.matched, lines, width))
    body: list[str] = []
    y = _TOP
    for number, window in enumerate(lines[:MAX_LINES]):
        body += _line((upper, lower), panels, window, y, named=number == 0)
        y += _height(panels) + _AFTER
    if len(lines) > MAX_LINES:
        body.append(shape("text", f"… and {len(lines) - MAX_LINES} lines more", x=_LEFT, y=y, font_size=12, fill=SOFT))
        y += 20
    return _frame(caption, width, y, body)


def write_passage(path: str | Path, upper: Side, lower: Side, *, caption: str = "", width: int = 1200) -> Path:
    """Writes the drawing to a .svg or .png file (a PNG is twice ``width`` pixels wide)."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".svg", ".png"):
        raise FormatError(f"{path} has no picture format", expected=".svg or .png", received=suffix or "no suffix")
    svg = passage_svg(upper, lower, caption=caption, width=width)
    return atomic_write(path, svg if suffix == ".svg" else svg_to_png(svg, width=2 * width))


def _lines(score: Score, matched: np.ndarray, inner: float) -> list[tuple[int, int]]:
    """(first, last tick) of each line: whole bars from the first shared note to the last."""
    onsets = score.notes["onset"][matched]
    first, last = (int(score.bar_of(int(t))) for t in (onsets.min(), onsets.max()))
    quarters = float(np.median(score.bars["duration"][first : last + 1])) / score.ticks_per_quarter
    count = int(np.clip(inner / (quarters * _MIN_QUARTER), 1, _LINE_BARS))
    lines = -(-(last + 1 - first) // count)
    count = -(-(last + 1 - first) // lines)
    ends = np.r_[score.bars["onset"], score.bars["onset"][-1] + score.bars["duration"][-1]]
    return [(int(ends[a]), int(ends[b])) for a, b in pairwise([*range(first, last + 1, count), last + 1])]


def _panel(
    score: Score, matched: np.ndarray, upper: Score, above: np.ndarray, lines: Sequence[tuple[int, int]], width: float
) -> _Panel:
    """A roll whose clock puts its shared notes under those of the upper score."""
    per_upper = (width - _LEFT - _RIGHT) / max(b - a for a, b in lines)
    theirs, own = upper.notes["onset"][above].astype(np.float64), score.notes["onset"][matched].astype(np.float64)
    rate = 1.0
    if np.ptp(theirs) and np.ptp(own):  # ticks here for each tick there
        rate = float(np.median((own[1:] - own[0]) / np.where(theirs[1:] > theirs[0], theirs[1:] - theirs[0], np.nan)))
        rate = rate if np.isfinite(rate) and rate > 0 else float(np.ptp(own) / np.ptp(theirs))
    zero = float(np.median(own - rate * theirs))
    begin, end = zero + rate * lines[0][0], zero + rate * lines[-1][1]
    shown = (score.notes["onset"] >= begin) & (score.notes["onset"] < end) & ~drum_mask(score)
    pitches = score.notes["pitch"][shown | np.isin(np.arange(len(score.notes)), matched)]
    low, high = int(pitches.min()) - 1, int(pitches.max()) + 1
    missing = max(0, _PITCHES - 1 - (high - low))
    low, high = max(low - missing // 2, 0), min(high + missing - missing // 2, 127)
    row = float(np.clip(_ROLL / (high - low + 1), 3.2, 8.0))
    return _Panel(
        score, matched, zero, per_upper / rate, Plan(width, per_upper / rate, (), low, high, row, (), 0.0, 0.0)
    )


def _height(panels: Sequence[_Panel]) -> float:
    rolls = [p.plan.pitched for p in panels] + [30.0] * (2 - len(panels))
    return sum(rolls) + 2 * (_LABEL + _STRIP) + _BETWEEN


def _line(
    sides: tuple[Side, Side], panels: Sequence[_Panel], window: tuple[int, int], y: float, named: bool
) -> Iterator[str]:
    """One line: the upper roll, the lower one, and what joins them."""
    upper = panels[0]
    wide = (window[1] - window[0]) * upper.per_tick
    top = y + _LABEL + _STRIP
    low = top + upper.plan.pitched + _BETWEEN + _LABEL + _STRIP
    here = (upper.score.notes["onset"][upper.matched] >= window[0]) & (
        upper.score.notes["onset"][upper.matched] < window[1]
    )
    shift = window[0] * upper.per_tick  # all clocks count from the window's begin
    yield from _roll(upper, here, (shift, wide), top)
    if len(panels) == 2:
        yield from _roll(panels[1], here, (shift, wide), low)
        yield from _joins(panels, here, shift, (top, low))
    else:
        yield shape("rect", class_="lane", x=_LEFT, y=low - 6, width=wide, height=30.0, rx=4, fill="#f7f8fa")
        yield shape("text", sides[1].note, x=_LEFT + 10, y=low + 13.5, font_size=12, fill=SOFT)
    for side, height in zip(sides if named else (), (y, low - _LABEL - _STRIP)):
        look: Attributes = {"font_size": 13, "font_weight": "bold", "fill": STRONG}
        yield shape("text", side.label, class_="strong", x=_LEFT, y=height + 13, **look)


def _roll(panel: _Panel, here: np.ndarray, clock: tuple[float, float], y: float) -> Iterator[str]:
    """A roll at height ``y``: ground, bar lines, other notes pale, shared notes in colour. clock: (shift, width)."""
    shift, wide = clock
    yield f'<g transform="translate({_LEFT:g} {y:.2f})">'
    yield from lanes(panel.plan, wide)
    yield from _bar_lines(panel, shift, wide)
    x = (panel.score.notes["onset"] - panel.zero) * panel.per_tick - shift
    inside = (x >= -0.01) & (x < wide - 0.01) & ~drum_mask(panel.score)
    inside[panel.matched] = False
    yield f'<g class="other" fill="{_OTHER}">'
    yield from (_note(panel, int(i), float(x[i]), wide, "note") for i in np.flatnonzero(inside))
    yield f'</g><g class="p1" fill="{_MATCH}">'
    yield from (_note(panel, int(i), float(x[i]), wide, "match") for i in panel.matched[here])
    yield "</g></g>"


def _bar_lines(panel: _Panel, shift: float, wide: float) -> Iterator[str]:
    path, free = "", -9.0
    for bar in panel.score.bars:
        x = panel.x(int(bar["onset"])) - shift
        if not -0.01 <= x < wide - 0.01:
            continue
        path += f"M{x:.2f} -3v{panel.plan.pitched + 3:.2f}"
        label = str(int(bar["number"]))
        if x >= free:
            yield shape("text", label, x=x + 3, y=-4, font_size=10, fill=SOFT)
            free = x + 9 + 6.0 * len(label)
    path += f"M{wide:.2f} -3v{panel.plan.pitched + 3:.2f}"
    yield shape("path", class_="bar", d=path, stroke="#c3c9d3", fill="none")


def _note(panel: _Panel, index: int, x: float, wide: float, kind: str) -> str:
    note = panel.score.notes[index]
    width = min(max(int(note["duration"]) * panel.per_tick - 0.8, 2.4), max(wide - x, 0.0) + 8.0)
    row = panel.plan.row
    place: Attributes = {"x": x, "y": panel.plan.y_of_pitch(int(note["pitch"])) + 0.2, "width": width, "height": row - 0.4}
    rect = shape("rect", "", class_=kind, **place, rx=min(2.0, width / 3, row / 2))
    return f"{rect[:-2]}><title>{plain(note_label(panel.score, index))}</title></rect>"


def _joins(panels: Sequence[_Panel], here: np.ndarray, shift: float, tops: tuple[float, float]) -> Iterator[str]:
    """A line from the left edge of each shared note above to that of its answer below."""
    yield f'<g fill="none" stroke="{_MATCH}" stroke-width="1" stroke-opacity="0.4">'
    for pair in zip(*(p.matched[here] for p in panels)):
        ends = []
        for panel, index, top, edge in zip(panels, pair, tops, (1, 0)):
            note = panel.score.notes[int(index)]
            x = _LEFT + panel.x(int(note["onset"])) - shift + 1.2
            ends.append((x, top + panel.plan.y_of_pitch(int(note["pitch"])) + edge * panel.plan.row))
        yield shape("path", class_="join", d=f"M{ends[0][0]:.2f} {ends[0][1]:.2f}L{ends[1][0]:.2f} {ends[1][1]:.2f}")
    yield "</g>"


def _frame(caption: str, width: int, height: float, body: list[str]) -> str:
    night = NIGHT + f"#roll .p1{{fill:{DARK[1]}}}#roll .other{{fill:#4a505c}}"
    head = [
        f"<title>{plain(caption or 'Two passages that share notes')}</title>",
        f"<style>@media (prefers-color-scheme: dark){{{night}}}</style>",
        shape("rect", class_="paper", width=width, height=height, fill="#ffffff"),
    ]
    if caption:
        head.append(shape("text", caption, class_="strong", x=_LEFT, y=28, font_size=14, fill=STRONG))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="roll" class="zhiyin-passages" viewBox="0 0 {width} {height:g}" '
        f'width="{width}" height="{height:g}" role="img" font-family="Helvetica, Arial, sans-serif">'
        f"{''.join(head + body)}</svg>"
    )

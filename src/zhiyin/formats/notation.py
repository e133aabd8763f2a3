"""From times to note values: meters as trees of stress, ties and dots, tuplets, rests and beams.

Works on one voice in one bar at a time, in ticks of ``RESOLUTION`` to the quarter from the bar's start. It knows
nothing about pitches, files or XML. A sequence of ``Event`` (chord or rest, back to back) becomes ``Piece``s:
what an engraver writes, each with a type, dots, a tuplet ratio, tie flags and beams.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

RESOLUTION = 10080  # ticks to the quarter: 128ths, triplets of 64ths, quintuplets, septuplets are whole
UNIT = 315  # the shortest written value (a 128th)
STEP = RESOLUTION // 24  # the house grid
BAR_LEVEL = 9

TYPES = {
    16 * RESOLUTION: "long", 8 * RESOLUTION: "breve", 4 * RESOLUTION: "whole", 2 * RESOLUTION: "half",
    RESOLUTION: "quarter", RESOLUTION // 2: "eighth", RESOLUTION // 4: "16th", RESOLUTION // 8: "32nd",
    RESOLUTION // 16: "64th", RESOLUTION // 32: "128th",
}  # fmt: skip
_BEAMS = {"eighth": 1, "16th": 2, "32nd": 3, "64th": 4, "128th": 5}
_VALUES = {d: (name, 0) for d, name in TYPES.items()}
_VALUES |= {d * 3 // 2: (name, 1) for d, name in TYPES.items() if d > UNIT}
_VALUES |= {d * 7 // 4: (name, 2) for d, name in TYPES.items() if RESOLUTION // 8 < d <= 2 * RESOLUTION}
_RATIOS = ((3, 2), (5, 4), (7, 4), (9, 8), (15, 8))


@dataclass(slots=True)
class Event:
    """A chord (``notes``: any handles) or a rest (no notes) from ``start`` to ``end``; ties lead over the barlines."""

    start: int
    end: int
    notes: list[int] = field(default_factory=list)
    tie_in: bool = False
    tie_out: bool = False
    hidden: bool = False


@dataclass(slots=True)
class Piece:
    """One written symbol. ``ratio`` (n, m): n in the time of m; ``beams``: one word per beam level."""

    event: Event
    start: int
    duration: int
    type: str
    dots: int
    ratio: tuple[int, int] = (1, 1)
    normal_type: str = ""
    tie_in: bool = False
    tie_out: bool = False
    tuplet_start: bool = False
    tuplet_stop: bool = False
    group: int = -1
    beams: list[str] = field(default_factory=list)

    @property
    def rest(self) -> bool:
        """Whether this is a rest."""
        return not self.event.notes


@dataclass(frozen=True)
class Meter:
    """A time signature with its stresses. ``offset``: ticks of the nominal bar that an upbeat leaves out in front."""

    numerator: int
    denominator: int
    offset: int = 0

    @property
    def unit(self) -> int:
        """Ticks of one denominator value."""
        return 4 * RESOLUTION // self.denominator

    @property
    def nominal(self) -> int:
        """Ticks of a full bar."""
        return self.unit * self.numerator

    @property
    def compound(self) -> bool:
        """Whether three units make a beat (6/8, 9/8, 12/8, 3/8, 6/4 …)."""
        n, d = self.numerator, self.denominator
        return n % 3 == 0 and ((n > 3 and d >= 4) or (n == 3 and d >= 8))

    @property
    def beat(self) -> tuple[str, int, float]:
        """What a metronome mark counts: note value, dots, quarters (a half in 2/2, a dotted quarter in 6/8, at least a quarter
        in simple meters; a quarter where no note value fits)."""
        ticks = 3 * self.unit if self.compound else max(self.unit, RESOLUTION)
        ticks = ticks if ticks in _VALUES else RESOLUTION
        return *_VALUES[ticks], ticks / RESOLUTION

    @property
    def groups(self) -> tuple[int, ...]:
        """Units in each beat group of the bar, for example (3, 3) in 6/8, (2, 2, 3) in 7/8, (1, 1, 1) in 3/4."""
        n = self.numerator
        if self.compound:
            return (3,) * (n // 3)
        if n <= 4 and self.denominator <= 8:
            return (1,) * n if self.denominator <= 4 else ((2,) * (n // 2) if n % 2 == 0 else (n,))
        if n == 5:
            return (3, 2)
        if n == 8 and self.denominator == 8:
            return (3, 3, 2)
        return (2,) * (n // 2) if n % 2 == 0 else (2,) * ((n - 3) // 2) + (3,)

    def group_starts(self) -> list[int]:
        """Ticks of each group's start in the nominal bar, closing with the bar's length."""
        starts = [0]
        for count in self.groups:
            starts.append(starts[-1] + count * self.unit)
        return starts

    def level(self, position: int) -> int:
        """Stress of a place in the bar: 9 at the bar's start, 2 at quarters, 1 at eighths … more in groups."""
        position = (position + self.offset) % self.nominal
        if position == 0:
            return BAR_LEVEL
        base = (16 * self.unit // RESOLUTION).bit_length() - 3
        rest = position % self.unit
        if rest:
            size, down = self.unit, 0
            while size > UNIT and rest % size:
                size, down = size // 2, down + 1
            return base - down if rest % size == 0 else -9
        starts = self.group_starts()
        if position not in starts:
            return base
        lift = 2 if self.compound or max(self.groups) == 3 else (1 if self.groups[0] > 1 else 0)
        half = len(starts) % 2 == 1 and len(starts) > 4 and starts[len(starts) // 2] == position
        return base + lift + int(half)


def pieces_of_bar(events: Sequence[Event], length: int, meter: Meter) -> list[Piece]:
    """Writes back-to-back events that fill ``length`` ticks as pieces with ties, dots, tuplets and beams."""
    if len(events) == 1 and not events[0].notes and length == meter.nominal:
        return [Piece(events[0], 0, length, "", 0)]
    spans = _tuplet_spans(events, length, meter)
    if spans is None:
        events = _snapped(events)
        spans = _tuplet_spans(events, length, meter) or []
    pieces: list[Piece] = []
    for event in events:
        parts = _event_pieces(event, spans, meter)
        for i, piece in enumerate(parts):
            piece.tie_in = bool(event.notes) and (i > 0 or event.tie_in)
            piece.tie_out = bool(event.notes) and (i < len(parts) - 1 or event.tie_out)
        pieces += parts
    _bracket(pieces, spans)
    _beam(pieces, spans, meter)
    return pieces


# ---------------------------------------------------------------- tuplets


@dataclass(frozen=True)
class _Span:
    start: int
    end: int
    ratio: tuple[int, int]


def _tuplet_spans(events: Sequence[Event], length: int, meter: Meter) -> list[_Span] | None:
    """Stretches to be written as tuplets; None when a stretch mixes divisions that no tuplet holds."""
    points = sorted({e.start for e in events} | {length})
    odd = [p for p in points if p % UNIT]
    if not odd:
        return []
    spans: list[_Span] = []
    for start, end in _odd_stretches(points, odd, length, meter):
        found = _fit(points, start, end)
        if found is None:
            return None
        spans += found
    return spans


def _odd_stretches(points: list[int], odd: list[int], length: int, meter: Meter) -> list[tuple[int, int]]:
    atom = RESOLUTION if not meter.compound and meter.unit >= RESOLUTION else meter.unit
    first = -(meter.offset % atom)
    cells = [(max(a, 0), min(a + atom, length)) for a in range(first, length, atom) if a + atom > 0]
    on_page = set(points)
    for _ in range(2):
        merged: list[tuple[int, int]] = []
        for cell in cells:
            if merged and _merges(merged[-1], cell, points, on_page, meter):
                merged[-1] = (merged[-1][0], cell[1])
            else:
                merged.append(cell)
        cells = merged
    return [(a, b) for a, b in cells if any(a < p < b for p in odd)]


def _merges(left: tuple[int, int], right: tuple[int, int], points: list[int], on_page: set[int], meter: Meter) -> bool:
    """Whether a note over the border between two cells asks for one wider tuplet (quarter or half triplets)."""
    a, c, b = left[0], left[1], right[1]
    if c in on_page or c - a != b - c:
        return False
    size = b - a
    if meter.numerator != 3 and (a + meter.offset) % size:
        return False
    before, after = max(p for p in points if p < c), min(p for p in points if p > c)
    if before < a or after > b:
        return False
    inside = [p - a for p in points if a < p < b]
    thirds = all(p % (size // 3) == 0 for p in inside) if size % 3 == 0 else False
    return thirds or bool(before % UNIT and after % UNIT)


def _fit(points: list[int], start: int, end: int) -> list[_Span] | None:
    inside = [p for p in points if start < p < end]
    if not any(p % UNIT for p in inside):
        return []
    middle = (start + end) // 2
    halves = middle in inside and (end - start) >= RESOLUTION // 2 and not (end - start) % (4 * UNIT)
    if halves:
        odd_left = any(p % UNIT for p in inside if p < middle)
        odd_right = any(p % UNIT for p in inside if p > middle)
        if odd_left != odd_right:
            return _fit(points, start, middle) if odd_left else _fit(points, middle, end)
    for n, m in _RATIOS:
        if all((p - start) * n % (m * UNIT) == 0 for p in [*inside, end]):
            return [_Span(start, end, (n, m))]
    if not halves:
        return None
    left, right = _fit(points, start, middle), _fit(points, middle, end)
    return None if left is None or right is None else left + right


def _snapped(events: Sequence[Event]) -> list[Event]:
    """Events on the house grid; one that loses all its length joins the next."""
    out: list[Event] = []
    carried: list[int] = []
    for e in events:
        start, end = (round(t / STEP) * STEP if t % (3 * STEP) else t for t in (e.start, e.end))
        if end <= start:
            carried += e.notes
            continue
        out.append(Event(start, end, carried + e.notes, e.tie_in, e.tie_out, e.hidden))
        carried = []
    if carried and out:
        out[-1].notes += carried
    return out


def _bracket(pieces: list[Piece], spans: Sequence[_Span]) -> None:
    for span in spans:
        inside = [p for p in pieces if span.start <= p.start < span.end]
        if not inside:
            continue
        inside[0].tuplet_start = inside[-1].tuplet_stop = True
        n, m = span.ratio
        nominal = (span.end - span.start) * n // m
        shortest = min(p.duration for p in inside) * n // m
        unit = nominal // n
        if n == 3 and shortest * 2 <= unit and len(inside) > 4 and all(p.duration * n // m <= unit for p in inside):
            n, m, unit = 6, 4, unit // 2
        for p in inside:
            p.ratio, p.normal_type = (n, m), TYPES.get(unit, "")


# ---------------------------------------------------------------- ties and dots


def _event_pieces(event: Event, spans: Sequence[_Span], meter: Meter) -> list[Piece]:
    borders = {t for s in spans for t in (s.start, s.end) if event.start < t < event.end}
    cuts = sorted({event.start, event.end} | borders)
    pieces: list[Piece] = []
    for a, b in itertools.pairwise(cuts):
        span = next((s for s in spans if s.start <= a < s.end), None)
        if span is None:
            split = _split_rest if not event.notes else _split_note
            pieces += [_piece(event, s, e - s, (1, 1)) for s, e in split(a, b, meter)]
        else:
            n, m = span.ratio
            unit = (span.end - span.start) // m if (span.end - span.start) % m == 0 else UNIT
            low, high = ((t - span.start) * n // m for t in (a, b))
            for s, e in _split_nominal(low, high, unit):
                pieces.append(_piece(event, span.start + s * m // n, (e - s) * m // n, span.ratio))
    return pieces


def _piece(event: Event, start: int, duration: int, ratio: tuple[int, int]) -> Piece:
    name, dots = _VALUES[duration * ratio[0] // ratio[1]]
    return Piece(event, start, duration, name, dots, ratio)


def _split_note(start: int, end: int, meter: Meter) -> list[tuple[int, int]]:
    if _may_stand(start, end, meter):
        return [(start, end)]
    cut = _strongest_inside(start, end, meter)
    return _split_note(start, cut, meter) + _split_note(cut, end, meter)


def _may_stand(start: int, end: int, meter: Meter) -> bool:
    """Whether one note may fill start..end without hiding the beats."""
    value = _VALUES.get(end - start)
    if value is None:
        return False
    if value[1] == 2 and (meter.compound or (start + meter.offset) % ((end - start) // 7 * 8)):
        return False
    crossed = _crossed(start, end, meter)
    if not crossed:
        return True
    top = max(level for _, level in crossed)
    ends = (min(meter.level(start), BAR_LEVEL), min(meter.level(end), BAR_LEVEL))
    if value[1] == 2:
        return ends[0] >= top
    if min(ends) < top - 1:
        return False
    return sum(level == top for _, level in crossed) < 2 or max(ends) >= top


def _crossed(start: int, end: int, meter: Meter) -> list[tuple[int, int]]:
    """Places strictly inside with their levels, on the grid of the meter's units or finer for short notes."""
    grid = meter.unit
    while grid > UNIT and grid * 2 > end - start:
        grid //= 2
    first = ((start + meter.offset) // grid + 1) * grid - meter.offset
    return [(t, meter.level(t)) for t in range(first, end, grid)]


def _strongest_inside(start: int, end: int, meter: Meter) -> int:
    crossed = _crossed(start, end, meter)
    if not crossed:
        size = max(d for d in TYPES if d < end - start)
        return start + size
    return max(crossed, key=lambda c: (c[1], -c[0]))[0]


def _split_rest(start: int, end: int, meter: Meter) -> list[tuple[int, int]]:
    """Rests fill whole nodes of the meter's tree, in simple meters without dots."""
    out: list[tuple[int, int]] = []
    while start < end:
        size = next(d for d in _rest_sizes(meter) if d <= end - start and _rest_fits(start, d, meter))
        out.append((start, start + size))
        start += size
    return out


def _rest_sizes(meter: Meter) -> list[int]:
    whole_beats = [d for d, (_, dots) in _VALUES.items() if dots == 1 and meter.compound and d >= 3 * meter.unit]
    return sorted([*TYPES, *whole_beats], reverse=True)


def _rest_fits(start: int, size: int, meter: Meter) -> bool:
    if size == UNIT:
        return True
    place = (start + meter.offset) % meter.nominal
    if place + size > meter.nominal:
        return False
    if place == 0 and size == meter.nominal:
        return True
    if size <= meter.unit:
        return place % size == 0
    crossed = max(level for _, level in _crossed(start, start + size, meter))
    base = meter.level(start)
    if meter.compound and size == 2 * meter.unit:
        return base > crossed
    ends = (base, meter.level(start + size))
    odd_count = not meter.compound and meter.numerator % 2 == 1
    return min(ends) > crossed and not (odd_count and size >= 2 * meter.unit and max(meter.groups) == 1)


def _split_nominal(start: int, end: int, unit: int) -> list[tuple[int, int]]:
    """Splits inside a tuplet, in nominal ticks from the tuplet's start."""
    value = _VALUES.get(end - start)
    on_unit = start % unit == 0 or end % unit == 0 or start // unit == (end - 1) // unit
    if value is not None and value[1] < 2 and (on_unit or end - start <= unit):
        return [(start, end)]
    cut = (start // unit + 1) * unit
    if not start < cut < end:
        cut = start + max(d for d in TYPES if d < end - start)
    elif start % unit == 0:
        cut = start + max(d for d in _VALUES if d < end - start and (d % unit == 0 or d < unit) and _VALUES[d][1] == 0)
    return _split_nominal(start, cut, unit) + _split_nominal(cut, end, unit)


# ---------------------------------------------------------------- beams


def _beam(pieces: list[Piece], spans: Sequence[_Span], meter: Meter) -> None:
    _beam_groups(pieces, meter)
    for i, span in enumerate(spans):
        inside = [p for p in pieces if span.start <= p.start < span.end]
        if len({p.group for p in inside}) > 1 or any(p.rest or p.type not in _BEAMS for p in inside):
            for p in inside:
                p.group = -1 - i
    run: list[Piece] = []
    for piece in pieces:
        if run and (piece.rest or piece.type not in _BEAMS or piece.group != run[-1].group):
            _beam_run(run, meter)
            run = []
        if not piece.rest and piece.type in _BEAMS:
            run.append(piece)
    _beam_run(run, meter)


def _beam_groups(pieces: list[Piece], meter: Meter) -> None:
    if meter.compound or max(meter.groups) > 1:
        starts = meter.group_starts()
        for p in pieces:
            place = (p.start + meter.offset) % meter.nominal
            p.group = sum(s <= place for s in starts) + 100 * ((p.start + meter.offset) // meter.nominal)
        return
    beat = min(meter.unit, RESOLUTION)
    for p in pieces:
        p.group = (p.start + meter.offset) // beat
    wide = 3 * RESOLUTION if meter.nominal == 3 * RESOLUTION else 2 * RESOLUTION
    if beat != RESOLUTION or meter.nominal % wide:
        return
    windows: dict[int, list[Piece]] = {}
    for p in pieces:
        windows.setdefault((p.start + meter.offset) // wide, []).append(p)
    for number, inside in windows.items():
        if all(p.type == "eighth" and p.dots == 0 and p.ratio == (1, 1) for p in inside):
            for p in inside:
                p.group = number * wide // beat


def _beam_run(run: list[Piece], meter: Meter) -> None:
    if len(run) < 2:
        return
    counts = [_BEAMS[p.type] for p in run]
    for level in range(1, max(counts) + 1):
        for i, p in enumerate(run):
            if counts[i] < level:
                continue
            before = i > 0 and counts[i - 1] >= level
            after = i + 1 < len(run) and counts[i + 1] >= level
            if before and after:
                word = "continue"
            elif before or after:
                word = "end" if before else "begin"
            else:
                back = i > 0 and (i == len(run) - 1 or meter.level(p.start + p.duration) >= meter.level(p.start))
                word = "backward hook" if back else "forward hook"
            p.beams.append(word)

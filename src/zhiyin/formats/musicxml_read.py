"""Reads MusicXML (.musicxml, .xml, .mxl) into a Score: parts onto one bar table, ties merged, pitches sounding.

Repeats stay as written. A bar is as long as its longest part. Not kept: layout, clefs, stems, beams, cue notes,
fingerings, tremolo signs, octave signs (pitches are the sounding ones), quarter tones (rounded to the semitone).
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from zhiyin.errors import FormatError, InputError
from zhiyin.formats.exact_ticks import Scale, moved, resolution, to_score
from zhiyin.formats.fallback import read_with_music21
from zhiyin.formats.files import read_bytes
from zhiyin.formats.limits import LIMITS, Limits, check
from zhiyin.formats.musicxml_heads import PartHead, part_heads
from zhiyin.formats.musicxml_parse import score_tree
from zhiyin.formats.musicxml_values import divisions_of
from zhiyin.formats.musicxml_walk import TIE_START, TIE_STOP, MarkRow, PartEvents, PartWalker, Place
from zhiyin.score.dynamics import marks_to_velocity
from zhiyin.score.repeats import expand_repeats as unfold
from zhiyin.score.score import BAR, NOTE, UNKNOWN_KEY, Mark, Part, Score

_MAX_UNIT = 10**9


def read_musicxml(
    source: str | Path | bytes, *, expand_repeats: bool = False, limits: Limits = LIMITS["musicxml"]
) -> Score:
    """Reads a MusicXML file (path) or its contents (bytes), plain or compressed, as a notated Score."""
    name = "MusicXML data" if isinstance(source, bytes) else Path(source).name
    data = source if isinstance(source, bytes) else read_bytes(source, limits.bytes)
    root = score_tree(data, name, limits.bytes)
    heads, bars = _parts(root, name)
    check("parts", len(heads), limits, name)
    unit = _unit(root)
    try:
        events = [PartWalker(head, unit, name).walk(measures) for head, measures in zip(heads, bars)]
        score = _score(root, heads, events, bars, unit)
    except InputError as problem:
        return _second_opinion(source, name, problem)
    check("bars", max(len(b) for b in bars), limits, name)
    check("notes", sum(len(e.notes) for e in events), limits, name)
    check("marks", sum(len(e.marks) for e in events), limits, name)
    return unfold(score) if expand_repeats else score


def _second_opinion(source: str | Path | bytes, name: str, problem: InputError) -> Score:
    """What music21, where it is installed, makes of a well-formed file that this reader cannot follow; else the problem."""
    if not isinstance(source, bytes) and find_spec("music21") is not None:
        score = read_with_music21(source)
        return score.replace(metadata={**score.metadata, "assumed": f"read by music21, because: {problem}"})
    if isinstance(problem, FormatError):
        raise problem
    raise FormatError(f"{name}: the score does not fit", expected=problem.expected, received=problem.received) from None


def _parts(root: Element, name: str) -> tuple[list[PartHead], list[list[Element]]]:
    """Heads and bars of the parts in the order of the score; a timewise score is turned part by part."""
    known = part_heads(root)
    columns: dict[str, list[Element]] = {}
    if root.tag == "score-partwise":
        for part in root.iterfind("part"):
            columns.setdefault(part.get("id", ""), []).extend(part.iterfind("measure"))
    else:
        for measure in root.iterfind("measure"):
            for part in measure.iterfind("part"):
                part.set("number", measure.get("number", ""))
                part.set("implicit", measure.get("implicit", "no"))
                columns.setdefault(part.get("id", ""), []).append(part)
    if not any(columns.values()):
        raise FormatError(f"{name} holds no music", expected="at least one part with a measure", received="none")
    return [known.get(i, PartHead(i)) for i in columns], list(columns.values())


def _unit(root: Element) -> int:
    """Ticks to the quarter in which all divisions of the file are exact (as far as that stays sane)."""
    unit = 1
    for divisions in {divisions_of(e.text) for e in root.iter("divisions")} - {0}:
        unit = math.lcm(unit, divisions) if math.lcm(unit, divisions) <= _MAX_UNIT else unit
    return unit


def _score(
    root: Element, heads: list[PartHead], events: list[PartEvents], bars: list[list[Element]], unit: int
) -> Score:
    to, rounded = resolution(unit)
    scale = (to, unit)
    longest = max(bars, key=len)
    meters = _meters(events, len(longest))
    starts = _starts(events, meters, unit, len(longest))
    drums = [_is_drums(head, e) for head, e in zip(heads, events)]
    parts = tuple(Part(h.name, h.program, d) for h, d in zip(heads, drums))
    marks = [_mark(row, starts, i) for i, e in enumerate(events) for row in e.marks]
    marks += list(dict.fromkeys(_mark(row, starts, -1) for e in events for row in e.structure))
    tempi = sorted({_tick(at, starts): qpm for e in reversed(events) for at, qpm in e.tempi}.items())
    on_bars = set(starts[:-1])
    marks += [Mark(t, "tempo", f"={qpm:g}") for t, qpm in tempi if t not in on_bars]
    table = _bar_table(
        starts, meters, _keys(events, len(longest)), tempi, _numbers(longest, starts, meters, unit), scale
    )
    metadata = _metadata(root)
    if rounded:
        metadata["rounded"] = f"to {to} ticks a quarter (exact would be {unit})"
    notes = _notes(events, starts, scale)
    score = Score(notes, table, parts, to, tuple(moved(m, scale) for m in marks), "notated", metadata)
    return marks_to_velocity(score) if any(m.kind == "dynamic" for m in marks) else score


def _is_drums(head: PartHead, events: PartEvents) -> bool:
    unpitched = sum(n.unpitched for n in events.notes)
    return 2 * unpitched > len(events.notes) or (head.drum_channel and not events.notes)


def _meters(events: Sequence[PartEvents], count: int) -> list[tuple[int, int]]:
    """Meter of each bar: the first part that gives one at a bar counts."""
    changes: dict[int, tuple[int, int]] = {}
    for part in events:
        for bar, numerator, denominator in part.meters:
            changes.setdefault(bar, (numerator, denominator))
    out, meter = [], (4, 4)
    for i in range(count):
        meter = changes.get(i, meter)
        out.append(meter)
    return out


def _starts(events: Sequence[PartEvents], meters: list[tuple[int, int]], unit: int, count: int) -> list[int]:
    """Ticks at which the bars start, and where the last one ends; an empty bar is as long as its meter says.

    A bar is as long as its longest part; where parts differ, rests alone do not make it longer than its meter.
    """
    starts = [0]
    for i in range(count):
        numerator, denominator = meters[i]
        nominal = max(4 * unit * numerator // denominator, 1)
        present = [e for e in events if i < len(e.lengths)]
        lengths = [e.lengths[i] for e in present]
        if len(set(lengths)) > 1:
            lengths = [min(length, max(nominal, e.sounding[i])) for length, e in zip(lengths, present)]
        starts.append(starts[-1] + (max(lengths, default=0) or nominal))
    return starts


def _tick(at: Place, starts: list[int]) -> int:
    return min(starts[at[0]] + at[1], starts[-1])


def _mark(row: MarkRow, starts: list[int], part: int) -> Mark:
    end = _tick(row.end, starts) if row.end[0] >= 0 else -1
    structural = part < 0
    return Mark(
        _tick(row.at, starts),
        row.kind,
        row.value,
        part,
        end,
        0 if structural else row.voice,
        0 if structural else row.staff,
    )


def _keys(events: Sequence[PartEvents], count: int) -> list[tuple[int, int]]:
    """(fifths, mode) of each bar; where parts differ (timpani, natural horns), what most parts have."""
    changes: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for i, part in enumerate(events):
        for (bar, time), fifths, mode in part.keys:
            changes[bar + (time > 0)].append((i, fifths, mode))
    now: dict[int, tuple[int, int]] = {}
    out, key = [], (UNKNOWN_KEY, -1)
    for bar in range(count):
        if bar in changes:
            now.update({i: (fifths, mode) for i, fifths, mode in changes[bar]})
            fifths = Counter(f for f, _ in now.values()).most_common(1)[0][0]
            key = (fifths, Counter(m for f, m in now.values() if f == fifths).most_common(1)[0][0])
        out.append(key)
    return out


def _numbers(bars: list[Element], starts: list[int], meters: list[tuple[int, int]], unit: int) -> list[int]:
    """Bar numbers as printed: an upbeat is 0, a bar that only completes the one before has its number."""
    out: list[int] = []
    for i, bar in enumerate(bars):
        found = re.match(r"\d{1,6}", bar.get("number", ""))
        implicit = bar.get("implicit") == "yes"
        if i == 0:
            short = starts[1] < 4 * unit * meters[0][0] / meters[0][1]
            out.append(0 if implicit and short else int(found.group()) if found else 1)
        else:
            out.append(out[-1] if implicit and not found else int(found.group()) if found else out[-1] + 1)
    return out


def _bar_table(
    starts: list[int],
    meters: list[tuple[int, int]],
    keys: list[tuple[int, int]],
    tempi: list[tuple[int, float]],
    numbers: list[int],
    scale: Scale,
) -> np.ndarray:
    bars = np.zeros(len(meters), dtype=BAR)
    edges = np.array([to_score(t, scale) for t in starts])
    if edges[-1] >= 2**31:
        raise InputError("The score is too long", expected="< 2**31 ticks", received=str(int(edges[-1])))
    bars["onset"], bars["duration"], bars["number"] = edges[:-1], np.diff(edges), numbers
    bars["meter_numerator"], bars["meter_denominator"] = np.array(meters).T
    bars["key"], bars["mode"] = np.array(keys).T
    if tempi:
        times, values = np.array([t for t, _ in tempi]), np.array([0.0, *(q for _, q in tempi)])
        bars["tempo_qpm"] = values[np.searchsorted(times, starts[:-1], side="right")]
    return bars


def _notes(events: Sequence[PartEvents], starts: list[int], scale: Scale) -> np.ndarray:
    tables = [_part_notes(part, index, starts, scale) for index, part in enumerate(events) if part.notes]
    return np.concatenate(tables) if tables else np.zeros(0, dtype=NOTE)


def _part_notes(part: PartEvents, index: int, starts: list[int], scale: Scale) -> np.ndarray:
    """Notes of one part with ties merged, in ticks of the score."""
    columns = list(zip(*part.notes))
    onsets = np.array(starts, dtype=np.int64)[np.array(columns[0])] + np.array(columns[1], dtype=np.int64)
    ends = onsets + np.array(columns[2], dtype=np.int64)
    keep = np.ones(len(onsets), dtype=bool)
    _merge_ties(part, onsets, ends, keep)
    out = np.zeros(int(keep.sum()), dtype=NOTE)
    to, unit = scale
    first, last = ((2 * t[keep] * to + unit) // (2 * unit) for t in (onsets, ends))
    out["onset"], out["grace"] = first, np.array(columns[7])[keep]
    out["duration"] = np.where(out["grace"], 0, np.maximum(last - first, 1))
    for name, column in (("pitch", 3), ("voice", 4), ("staff", 5), ("spelling", 6)):
        out[name] = np.array(columns[column])[keep]
    out["part"] = index
    return out


def _merge_ties(part: PartEvents, onsets: np.ndarray, ends: np.ndarray, keep: np.ndarray) -> None:
    """Lengthens the first note of each chain of ties and strikes out the rest; chains may change voice or staff."""
    tied = [i for i, n in enumerate(part.notes) if n.tie]
    waiting: dict[tuple[int, int], list[int]] = {}
    for i in sorted(tied, key=lambda i: (int(onsets[i]), i)):
        note = part.notes[i]
        head = i
        if note.tie & TIE_STOP:
            found = waiting.get((note.pitch, int(onsets[i])))
            if found:
                voices = [k for k in found if part.notes[k].voice == note.voice]
                head = (voices or found)[0]
                found.remove(head)
                ends[head], keep[i] = ends[i], False
        if note.tie & TIE_START:
            waiting.setdefault((note.pitch, int(ends[i])), []).append(head)


def _metadata(root: Element) -> dict[str, str]:
    """Title, composer, lyricist, copyright and source as the file gives them."""
    out: dict[str, str] = {}
    work, movement = root.findtext("work/work-title"), root.findtext("movement-title")
    out["title"] = " – ".join(t.strip() for t in (work, movement) if t and t.strip())
    for creator in root.iterfind("identification/creator"):
        kind = creator.get("type", "composer").strip().lower()
        out.setdefault({"poet": "lyricist"}.get(kind, kind) or "composer", " ".join((creator.text or "").split()))
    out["copyright"] = " ".join((root.findtext("identification/rights") or "").split())
    out["source"] = (root.findtext("identification/source") or "").strip()
    out["work-number"] = (root.findtext("work/work-number") or "").strip()
    out["movement-number"] = (root.findtext("movement-number") or "").strip()
    for extra in root.iterfind("identification/miscellaneous/miscellaneous-field"):
        out.setdefault(extra.get("name", ""), (extra.text or "").strip())
    out.pop("zhiyin", None)  # where records stood before 2026-11-25; formats.recorded reads them
    return {k: v for k, v in out.items() if k and v}

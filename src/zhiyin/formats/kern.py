"""Reads Humdrum ``**kern`` files (.krn) into a Score. Its own parser: spelling, voices, staves and marks are kept.

Kern is a table of text: one column ("spine") per staff, one line per moment. Pitches are the sounding ones. Bars whose
lines do not add up in time are mended (``kern_repair``) and said in ``metadata["mended"]``; with ``strict``, and where
too much is wrong, they are an error that names the line. Not kept: clefs, stems, beams, phrase signs ``{}``, fingerings,
figured bass, and the key signatures of single parts where parts differ (the most frequent one is kept).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zhiyin.errors import FormatError
from zhiyin.formats.exact_ticks import Scale, moved, resolution, to_score
from zhiyin.formats.files import read_bytes
from zhiyin.formats.kern_bars import bar_table, metadata, structure_marks
from zhiyin.formats.kern_parts import Place, SpineHead, place_spines
from zhiyin.formats.kern_repair import mended_walk
from zhiyin.formats.kern_spines import KERN, Table, read_table
from zhiyin.formats.kern_walk import Walked, Walker
from zhiyin.formats.limits import LIMITS, Limits, check
from zhiyin.score.dynamics import marks_to_velocity
from zhiyin.score.repeats import expand_repeats as unfold
from zhiyin.score.score import NOTE, Part, Score


def read_kern(
    source: str | Path | bytes, *, expand_repeats: bool = False, strict: bool = False, limits: Limits = LIMITS["kern"]
) -> Score:
    """Reads a kern file (path) or its contents (bytes) as a notated Score; FormatError names the line that is wrong.

    Damaged bars are mended within bounds and listed in ``metadata["mended"]``; ``strict`` refuses them.
    """
    name = "kern data" if isinstance(source, bytes) else Path(source).name
    data = source if isinstance(source, bytes) else read_bytes(source, limits.bytes)
    check("bytes", len(data), limits, name)
    table = read_table(_text(data), name)
    kern_tracks = [i for i, kind in enumerate(table.tracks) if kind == KERN]
    if not kern_tracks:
        raise FormatError(
            f"{name}: no music found", expected="at least one **kern spine", received=f"{len(table.tracks)} spines"
        )
    heads = _heads(table)
    kept, parts = place_spines([heads[i] for i in kern_tracks])
    places = _neighbours(dict(zip(kern_tracks, kept)), heads, len(table.tracks))
    walked, mended = (Walker(table, places, name).walk(), "") if strict else mended_walk(table, places, name)
    if not walked.end:
        raise FormatError(f"{name}: no music found", expected="notes or rests", received="none")
    check("notes", len(walked.notes), limits, name)
    check("bars", len(walked.barlines), limits, name)
    check("marks", len(walked.marks), limits, name)
    score = _score(table, walked, places, parts, name)
    if mended:
        score = score.replace(metadata={**score.metadata, "mended": mended})
    return unfold(score) if expand_repeats else score


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _heads(table: Table) -> list[SpineHead]:
    """What each spine's interpretations say before its first note or bar."""
    heads = [SpineHead() for _ in table.tracks]
    closed = 0
    for _, tokens, layout in table.rows:
        if tokens[0][:1] == "*":
            for column, token in zip(layout.columns, tokens):
                if token != "*" and column.track >= 0:
                    _head(heads[column.track], token)
        elif tokens[0][:1] not in ("!", "="):
            closed += 1
            if closed > 400:
                break
    return heads


def _head(head: SpineHead, token: str) -> None:
    if token.startswith('*I"'):
        head.name = head.name or token[3:].strip().lstrip('"')
    elif token.startswith("*part"):
        head.part = head.part or token[5:]
    elif token.startswith("*staff"):
        digits = token[6:].split("/")[0]
        head.staff = head.staff or (int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 4 else 0)
    elif token == "*clefX":
        head.unpitched = True
    elif token.startswith("*I") and token[2:3].islower() and not head.code:
        head.code = token[2:]


def _neighbours(places: dict[int, Place], heads: list[SpineHead], count: int) -> dict[int, Place]:
    """Gives lyrics, dynamics and chord spines the place of the kern spine that they belong to (the one to the left)."""
    out = dict(places)
    last: Place | None = None
    by_staff = {(heads[t].part, heads[t].staff): p for t, p in places.items() if heads[t].part and heads[t].staff}
    for track in range(count):
        if track in places:
            last = places[track]
            continue
        head = heads[track]
        place = by_staff.get((head.part, head.staff), last) if head.part else last
        if place is not None:
            out[track] = place
    return out


def _score(table: Table, walked: Walked, places: dict[int, Place], parts: tuple[Part, ...], name: str) -> Score:
    unit, rounded = resolution(walked.unit)
    if walked.end * unit // walked.unit >= 2**31:
        raise FormatError(
            f"{name}: the score is too long", expected="< 2**31 ticks", received=f"{walked.end // walked.unit} quarters"
        )
    scale = (unit, walked.unit)
    bars = bar_table(walked, scale)
    marks = [moved(m, scale) for m in (*walked.marks, *structure_marks(walked))]
    records = metadata(table, walked)
    if rounded:
        records["rounded"] = f"to {unit} ticks a quarter (exact would be {walked.unit})"
    notes = _notes(walked, places, scale)
    score = Score(notes, bars, parts, unit, tuple(marks), "notated", records)
    return marks_to_velocity(score) if any(m.kind == "dynamic" for m in score.marks) else score


def _notes(walked: Walked, places: dict[int, Place], scale: Scale) -> np.ndarray:
    notes = np.zeros(len(walked.notes), dtype=NOTE)
    if not len(notes):
        return notes
    onset, pitch, track, layer, spelling, grace = zip(*walked.notes)
    starts = [to_score(t, scale) for t in onset]
    ends = [to_score(t + d, scale) for t, d in zip(onset, walked.durations)]
    notes["grace"], notes["onset"] = grace, starts
    notes["duration"] = [0 if g else max(e - s, 1) for s, e, g in zip(starts, ends, grace)]
    notes["spelling"] = spelling
    columns = np.zeros((max(places) + 1, 4), dtype=np.int16)
    for t, place in places.items():
        columns[t] = place.part, place.staff, place.first_voice, place.drum_key
    where = columns[np.array(track)]
    notes["part"], notes["staff"] = where[:, 0], where[:, 1]
    notes["voice"] = np.minimum(where[:, 2] + np.array(layer), 255)
    notes["pitch"] = np.where(where[:, 3] >= 0, where[:, 3], np.array(pitch))
    return notes

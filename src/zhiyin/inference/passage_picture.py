"""The picture of a copied passage: the piece above, its source below, what they share coloured and joined."""

from __future__ import annotations

from difflib import Match, SequenceMatcher
from pathlib import Path

import numpy as np

from zhiyin.errors import InputError
from zhiyin.formats.passages import Side, write_passage
from zhiyin.inference.original import lines_of_score
from zhiyin.inference.originality_report import Copied, OriginalityReport, how, name_of, place
from zhiyin.score import Score


def draw_passage(path: str | Path, score: Score, report: OriginalityReport, source: Score | None = None) -> Path:
    """Draws the longest passage of a report to .svg or .png. source: the source's score; without it its bars are named."""
    found = report.longest
    if found is None:
        raise InputError("There is no passage to draw", expected="a copied passage", received="none found")
    title = report.title or "the piece"
    below = None if source is None else answers(score, found, source)
    shared = len(below[0]) if below else found.notes
    caption = f"{shared} notes that “{title}” shares with “{found.source.title or found.source.id}”"
    changed = how(found.passage.transposition, found.passage.tempo_ratio)
    upper = Side(f"{title}, {place(found.first_bar, found.last_bar)}", score, found.indices)
    label = f"{name_of(found.source)}, {place(*found.source_bars)}"
    if source is None or below is None:
        absent = "the index holds no notes of its pieces; --corpus CORPUS draws them"
        why = absent if source is None else "its notes were not found there again"
        lower = Side(label, note=f"{place(*found.source_bars)}; {why}")
    else:
        upper = Side(upper.label, score, found.indices[below[0]])
        lower = Side(label, source, below[1])
    return write_passage(path, upper, lower, caption=caption + (f": here {changed}" if changed else ""))


def answers(score: Score, found: Copied, source: Score) -> tuple[np.ndarray, np.ndarray] | None:
    """Which shared notes have which answer in the source's score: two int64 (matched,), places in ``found.indices`` and
    note indices of the source; None where nothing answers."""
    notes, numbers = source.notes, source.bars["number"]
    lines = lines_of_score(source, np.ones(len(notes), dtype=bool))
    line = next((line for line in lines if line.part == found.passage.source_part), None)
    if line is None:
        return None
    bar = numbers[source.bar_of(notes["onset"][line.note])]
    inside = line.note[(bar >= found.source_bars[0]) & (bar <= found.source_bars[1])]
    asked = score.notes["pitch"][found.indices].astype(int)
    shift = found.passage.transposition
    blocks = max(
        (_matches(asked - k, notes["pitch"][inside]) for k in ([shift] if shift is not None else range(-36, 37))),
        key=lambda listed: sum(b.size for b in listed),
    )
    here = np.concatenate([np.arange(b.a, b.a + b.size) for b in blocks]).astype(np.int64)
    there = np.concatenate([np.arange(b.b, b.b + b.size) for b in blocks]).astype(np.int64)
    return (here, inside[there]) if len(here) else None


def _matches(one: np.ndarray, other: np.ndarray) -> list[Match]:
    return SequenceMatcher(None, one.tolist(), other.tolist(), autojunk=False).get_matching_blocks()

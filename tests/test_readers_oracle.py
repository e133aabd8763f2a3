"""The kern and MusicXML readers against music21 on a committed list of real scores.

Notes are compared as multisets of (onset, tied duration, pitch), repeats as written, grace notes apart, chord symbols
and cue notes left out. music21's own ``stripTies`` joins no chord of which only some notes are tied, so that ties are
joined here from the tie of each single note.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from zhiyin.formats.kern import read_kern
from zhiyin.formats.musicxml import read_musicxml

music21 = pytest.importorskip("music21")

GRID = 240  # steps of a quarter on which times are compared
LIST = Path(__file__).parent / "data" / "music21_oracle.tsv"
Notes = Counter[tuple[int, int, int]]


class Row(NamedTuple):
    path: str
    tier: str
    how: str
    remark: str


ROWS = [
    Row(*line.rstrip("\n").split("\t"))
    for line in LIST.read_text("utf-8").splitlines()
    if line.strip() and not line.startswith("#")
]
SAME = [row for row in ROWS if row.how != "different"]
DIFFERENT = [row for row in ROWS if row.how == "different"]
FAST = [row for row in SAME if row.tier == "fast"]
SLOW = [row for row in SAME if row.tier == "slow"]


def ours(path: Path) -> tuple[Notes, int]:
    score = read_kern(path) if path.suffix == ".krn" else read_musicxml(path)
    drums = [p.drums for p in score.parts]
    found: Notes = Counter()
    for note in score.notes:
        if not note["grace"] and not drums[note["part"]]:
            start, end = (
                round(int(t) * GRID / score.ticks_per_quarter)
                for t in (note["onset"], note["onset"] + note["duration"])
            )
            found[start, end - start, int(note["pitch"])] += 1
    return found, int(score.notes["grace"].sum())


def theirs(path: Path, by_bar: bool) -> tuple[Notes, int]:
    stream = music21.converter.parse(str(path), forceSource=True).toSoundingPitch()
    parts = list(stream.parts) or [stream]
    starts, drifted = bar_starts(parts)
    assert drifted or not by_bar, "the parts agree about their bars: the file can be compared by time"
    found: Notes = Counter()
    graces = 0
    for part in parts:
        rows: list[list[int]] = []
        tied: dict[tuple[int, int], list[list[int]]] = defaultdict(list)
        for start, element in placed(part, starts if by_bar else None):
            if element.duration.isGrace:
                graces += len(single_notes(element))
            else:
                add(element, start, rows, tied)
        found.update((start, end - start, pitch) for start, end, pitch in rows)
    return found, graces


def bar_starts(parts: list[Any]) -> tuple[list[float], bool]:
    """Start of each bar as most parts see it (quarters), and whether the parts disagree about some bar's length."""
    rows = [[float(m.offset) for m in part.getElementsByClass(music21.stream.Measure)] for part in parts]
    starts, drifted = [0.0], False
    for k in range(max(len(r) for r in rows) - 1):
        steps = Counter(r[k + 1] - r[k] for r in rows if len(r) > k + 1)
        drifted |= len(steps) > 1
        starts.append(starts[-1] + min(s for s in steps if steps[s] == max(steps.values())))
    return starts, drifted


def placed(part: Any, starts: list[float] | None) -> Iterator[tuple[float, Any]]:
    if starts is None:
        pairs = ((float(n.offset), n) for n in part.flatten().notes)
    else:
        measures = enumerate(part.getElementsByClass(music21.stream.Measure))
        pairs = ((starts[k] + float(n.offset), n) for k, measure in measures for n in measure.flatten().notes)
    for start, element in pairs:
        cue = element.hasStyleInformation and getattr(element.style, "noteSize", None) == "cue"
        if not cue and not isinstance(element, music21.harmony.Harmony | music21.note.Unpitched):
            yield start, element


def single_notes(element: Any) -> list[Any]:
    return list(element.notes) if isinstance(element, music21.chord.Chord) else [element]


def add(element: Any, start: float, rows: list[list[int]], tied: dict[tuple[int, int], list[list[int]]]) -> None:
    first, last = round(start * GRID), round((start + float(element.duration.quarterLength)) * GRID)
    for note in single_notes(element):
        if not hasattr(note, "pitch"):
            continue
        tie, pitch = note.tie.type if note.tie is not None else "", note.pitch.midi
        if tie in ("stop", "continue") and tied[pitch, first]:
            row = tied[pitch, first].pop(0)
            row[1] = last
        else:
            row = [first, last, pitch]
            rows.append(row)
        if tie in ("start", "continue"):
            tied[pitch, last].append(row)


def f1(a: Notes, b: Notes) -> float:
    return 2 * (a & b).total() / max(a.total() + b.total(), 1)


def where(row: Row) -> Path:
    return Path(music21.corpus.__file__).parent / row.path


def check(row: Row) -> None:
    mine, my_graces = ours(where(row))
    other, their_graces = theirs(where(row), row.how == "by-bar")
    assert mine.total() > 20
    assert f1(mine, other) >= 0.995, (
        f"only here {(mine - other).most_common(3)}, only there {(other - mine).most_common(3)}"
    )
    assert my_graces == their_graces


def test_the_list_is_whole() -> None:
    assert len(SAME) == 100
    assert len(FAST) == 12
    assert len({row.path for row in ROWS}) == len(ROWS)
    assert sum(row.path.endswith(".krn") for row in SAME) == 30
    assert all(row.remark for row in DIFFERENT)


@pytest.mark.parametrize("row", FAST, ids=lambda r: r.path)
def test_notes_equal_those_of_music21(row: Row) -> None:
    check(row)


@pytest.mark.slow
@pytest.mark.parametrize("row", SLOW, ids=lambda r: r.path)
def test_notes_equal_those_of_music21_on_the_long_list(row: Row) -> None:
    check(row)


@pytest.mark.slow
@pytest.mark.parametrize("row", DIFFERENT, ids=lambda r: r.path)
def test_named_differences_are_still_there(row: Row) -> None:
    mine, _ = ours(where(row))
    other, _ = theirs(where(row), by_bar=False)
    assert 0 < f1(mine, other) < 0.995
    assert abs(mine.total() - other.total()) <= 4

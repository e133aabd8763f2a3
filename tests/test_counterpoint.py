from __future__ import annotations

import numpy as np
import pytest

from music import tune
from zhiyin.measures.counterpoint import (
    KINDS,
    count_kinds,
    counterpoint,
    crossings,
    direct_motion,
    leading_notes,
    parallels,
    voice_lines,
)
from zhiyin.score import Part, Score, notes_array, regular_bars

Q = 480


def quarters(*lines: list[int | None], key: int = 0, mode: int = 0, ticks: int = Q) -> Score:
    """Lines of quarter notes, one part each; None is a rest."""
    rows = [
        {"onset": i * ticks, "duration": ticks, "pitch": pitch, "part": p}
        for p, line in enumerate(lines)
        for i, pitch in enumerate(line)
        if pitch is not None
    ]
    bars = regular_bars(-(-max(map(len, lines)) // 4), ticks, key=key, mode=mode)
    return Score(notes_array(rows), bars, tuple(Part(f"P{i}") for i in range(len(lines))), ticks)


def kinds(findings) -> list[str]:
    return [f.kind for f in findings]


def test_parallel_fifths_and_octaves_with_their_places():
    found = parallels(quarters([67, 69, 71, 72], [60, 62, 64, 60]))
    assert [(f.kind, f.onset, f.bar, f.parts) for f in found] == [
        ("parallel fifths", Q, 1, (0, 1)), ("parallel fifths", 2 * Q, 1, (0, 1)),
    ]  # fmt: skip
    assert kinds(parallels(quarters([72, 74], [60, 62]))) == ["parallel octaves"]
    assert kinds(parallels(quarters([60, 62], [60, 62]))) == ["parallel octaves"]  # unisons


@pytest.mark.parametrize(
    "lines",
    [
        ([67, 67], [60, 60]),  # repeated, no motion
        ([67, 65], [60, 70]),  # contrary motion
        ([67, None, 69], [60, None, 62]),  # a rest between
        ([64, 65], [60, 62]),  # a third to a third
        ([67, 69], [60, 60]),  # one line stays
    ],
)
def test_what_is_no_parallel(lines):
    assert parallels(quarters(*lines)) == []


def test_octaves_that_go_on_are_a_doubling():
    up = [72, 74, 76, 77, 79]
    assert parallels(quarters(up, [p - 12 for p in up])) == []
    assert len(parallels(quarters(up, [p - 7 for p in up]))) == 4  # fifths never are


def test_a_short_silence_does_not_hide_a_parallel():
    score = quarters([67, 69], [60, 62])
    notes = score.notes.copy()
    notes["duration"] = Q * 4 // 5
    assert kinds(parallels(score.replace(notes=notes))) == ["parallel fifths"]


def test_direct_fifths_need_a_leap_on_top():
    assert kinds(direct_motion(quarters([64, 69], [60, 62]))) == ["direct fifths"]
    assert direct_motion(quarters([67, 69], [59, 62])) == []  # a step


def test_crossings_overlaps_and_gaps():
    crossed = crossings(quarters([72, 60, 59, 72], [64, 62, 62, 64]))
    assert [(f.kind, f.onset) for f in crossed if f.kind == "crossing"] == [("crossing", Q)]  # one stretch, counted once
    assert "overlap" in kinds(crossings(quarters([72, 62], [64, 60])))
    assert kinds(crossings(quarters([84, 84], [70, 70], [50, 50]))) == ["gap"]  # upper pair only; tenor to bass may be wide
    assert crossings(quarters([84, 84], [70, 70])) == []


def test_leading_note_must_rise_at_a_cadence():
    good = quarters([71, 72], [67, 67], [62, 64], [55, 48])
    bad = quarters([71, 67], [67, 64], [62, 60], [55, 48])
    assert leading_notes(good) == []
    assert [(f.kind, f.parts) for f in leading_notes(bad)] == [("leading note", (0,))]
    assert leading_notes(quarters([71, 69, 67], [67, 65, 64], [50, 53, 48])) == []  # on its way down, no tonic after it
    assert [f.detail for f in leading_notes(quarters([72, 71, None, 67]))] == ["71 before a rest"]


def test_transposing_changes_nothing():
    score = quarters([67, 69, 71, 67], [60, 62, 67, 72], [48, 50, 43, 36])
    here, there = counterpoint(score), counterpoint(score.transpose(5))
    assert [(f.kind, f.onset) for f in here] == [(f.kind, f.onset) for f in there]
    assert here


def test_chords_give_their_outer_lines():
    chord = quarters([67, 69], [64, 65], [60, 62])
    piano = chord.replace(notes=_one_part(chord.notes), parts=(Part("Piano"),))
    lines = voice_lines(piano)
    assert [line.pitch.tolist() for line in lines] == [[67, 69], [60, 62]]
    assert kinds(parallels(piano)) == ["parallel fifths"]


def _one_part(notes: np.ndarray) -> np.ndarray:
    notes = notes.copy()
    notes["part"] = 0
    return notes


def test_written_voices_are_lines():
    score = quarters([72, 74, 76, 77], [64, 65, 67, 69])
    notes = _one_part(score.notes)
    notes["voice"] = 1 + score.notes["part"]
    lines = voice_lines(score.replace(notes=notes, parts=(Part("Choir"),)))
    assert sorted(line.pitch[0] for line in lines) == [64, 72]


def test_counts_name_every_kind_and_drums_have_no_lines():
    assert list(count_kinds([])) == list(KINDS)
    score = tune(8, parts=3)
    assert sum(count_kinds(counterpoint(score)).values()) == len(counterpoint(score))
    drums = score.replace(parts=tuple(Part("", 0, True) for _ in score.parts))
    assert counterpoint(drums) == ()


def test_bach_breaks_the_rules_rarely():
    music21 = pytest.importorskip("music21")
    from zhiyin.formats.catalog import load

    paths = [p for p in music21.corpus.getComposer("bach") if str(p).endswith(".mxl")][:30]
    scores = [load(p) for p in paths]
    scores = [s for s in scores if len(s.parts) == 4]
    assert len(scores) >= 20
    bars = sum(s.bar_count for s in scores)
    rate = {k: 100 * sum(count_kinds(counterpoint(s))[k] for s in scores) / bars for k in KINDS}
    assert rate["parallel fifths"] < 2 and rate["parallel octaves"] < 1
    assert 0 < rate["crossing"] < 20

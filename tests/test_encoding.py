"""The law of the encoding, on arbitrary scores and on arbitrary legal rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from music import tune
from zhiyin.encoding import EncodedPiece, check_legal, decode, encode, quantize, same_music
from zhiyin.encoding.fields import (
    BAR_COLUMN,
    BAR_FIELDS,
    BAR_SIZES,
    DURATIONS,
    MAX_PARTS,
    ROW_SIZES,
    duration_class,
    left_class,
    tempo_class,
    tempo_of,
    velocity_class,
    velocity_of,
)
from zhiyin.encoding.plan import derive_plan, section_starts
from zhiyin.encoding.rows import with_bars_left
from zhiyin.errors import EncodingError
from zhiyin.score import Mark, Part, Score, bars_array, notes_array, regular_bars

METERS = ((4, 4), (3, 4), (6, 8), (2, 2), (5, 8), (12, 8), (3, 1))


@st.composite
def scores(draw) -> Score:
    ticks = draw(st.sampled_from([1, 7, 24, 96, 480, 960]))
    seed = draw(st.integers(0, 2**31))
    rng = np.random.default_rng(seed)
    count = draw(st.integers(1, 60))
    parts = draw(st.integers(1, 5))
    meters = [METERS[i] for i in rng.integers(0, len(METERS), draw(st.integers(1, 70)))]
    lengths = [max(1, round(ticks * 4 * n / d)) for n, d in meters]
    if draw(st.booleans()):
        lengths[0] = max(1, lengths[0] // 3)
    bars = bars_array(
        lengths,
        meter_numerator=[m[0] for m in meters],
        meter_denominator=[m[1] for m in meters],
        key=rng.choice([-7, -2, 0, 5, 127], len(meters)),
        mode=rng.choice([-1, 0, 1], len(meters)),
        tempo_qpm=rng.choice([0.0, 33.3, 120.0, 400.0], len(meters)),
        number=np.arange(len(meters)) + int(draw(st.booleans())),
    )
    total = sum(lengths)
    notes = notes_array(
        onset=rng.integers(0, max(1, int(total * rng.uniform(0.1, 1.2))), count),
        duration=rng.integers(1, ticks * 20 + 2, count),
        pitch=rng.integers(0, 128, count) if rng.random() < 0.5 else rng.integers(60, 64, count),
        velocity=rng.integers(0, 128, count),
        part=rng.integers(0, parts, count),
        grace=rng.random(count) < 0.1,
    )
    notes["grace"][0] = False
    listed = tuple(Part(f"p{i}", int(rng.integers(0, 128)), bool(rng.random() < 0.2)) for i in range(parts))
    return Score(notes, bars, listed, ticks, timing="notated")


@settings(max_examples=300, deadline=None)
@given(scores())
def test_the_law(score):
    grid, report = quantize(score)
    piece, same_report = encode(score)
    assert same_music(decode(piece), grid)
    assert report == same_report
    kept = len(grid.notes) + report.merged + report.dropped_graces + report.dropped_notes
    assert kept == report.notes == len(score.notes)
    again, nothing = quantize(grid)
    assert same_music(again, grid)
    assert nothing.moved == nothing.merged == nothing.cut == nothing.capped == 0


@st.composite
def legal_pieces(draw) -> EncodedPiece:
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    bars = np.zeros((draw(st.integers(1, 30)), len(BAR_FIELDS)), dtype=np.int16)
    for i, size in enumerate(BAR_SIZES):
        bars[:, i] = rng.integers(0, size, len(bars))
    bars[:, BAR_COLUMN["tempo"]] = rng.integers(0, 25)  # quantize carries a tempo on; change by change is another test
    bars[:, BAR_COLUMN["length"]] = rng.integers(1, 385, len(bars))
    with_bars_left(bars)
    parts = draw(st.integers(1, MAX_PARTS))
    count = draw(st.integers(1, 80))
    bar = rng.integers(0, len(bars), count)
    position = (rng.random(count) * bars[bar, BAR_COLUMN["length"]]).astype(int)
    rows = np.stack([bar, position, rng.integers(0, parts, count), rng.integers(0, 128, count)], -1)
    rows = np.unique(rows, axis=0)
    rest = np.stack([rng.integers(0, len(DURATIONS), len(rows)), rng.integers(0, ROW_SIZES[5], len(rows))], -1)
    programs = rng.integers(0, 129, parts).astype(np.uint8)
    return EncodedPiece(np.hstack([rows, rest]).astype(np.int16), bars, programs, np.zeros(5, np.int16))


@settings(max_examples=200, deadline=None)
@given(legal_pieces())
def test_any_legal_array_decodes(piece):
    score = decode(piece)
    assert len(score.notes) == len(piece.rows)
    assert same_music(quantize(score)[0], score) or len(set(piece.rows[:, 2])) < len(piece.programs)


def test_plan_columns_have_legal_classes():
    score, _ = quantize(tune(32, parts=2))
    plan = derive_plan(score)
    for name, column in plan.items():
        assert len(column) == 32
        assert column.min() >= 0 and column.max() < BAR_SIZES[BAR_COLUMN[name]], name
    assert plan["section"][0] == 1
    assert plan["phrase_left"][:8].tolist() == [8, 7, 6, 5, 4, 3, 2, 1]


def test_a_repeated_section_keeps_its_letter():
    first = tune(8, seed=3)
    other = tune(8, seed=9)
    length = int(first.bars["duration"].sum())
    notes = np.concatenate([first.notes, other.notes, first.notes])
    notes["onset"][len(first.notes) :] += length
    notes["onset"][len(first.notes) + len(other.notes) :] += length
    score = Score(notes, regular_bars(24, 480, key=2, mode=0), first.parts, 480)
    plan = derive_plan(quantize(score)[0])
    letters = plan["section"][[0, 8, 16]].tolist()
    assert letters == [1, 2, 1]
    assert plan["cadence"][7] == 3  # the tune ends on its tonic: authentic


def test_sections_follow_repeat_signs():
    score = tune(20)
    bar = 1920
    marked = score.replace(marks=(Mark(12 * bar, "repeat", "start"),))
    assert 12 in section_starts(quantize(marked)[0]).tolist()


def test_velocity_that_is_not_given_stays_unknown():
    score = tune(4)
    silent = score.notes.copy()
    silent["velocity"] = 0
    piece, _ = encode(score.replace(notes=silent))
    assert piece.rows[:, 5].max() == 0
    assert decode(piece).notes["velocity"].max() == 0


def test_classes_speak_what_they_hear():
    assert velocity_class(velocity_of(np.arange(17))).tolist() == list(range(17))
    assert tempo_class(tempo_of(np.arange(25))).tolist() == list(range(25))
    assert (DURATIONS[duration_class(DURATIONS)] == DURATIONS).all()
    assert duration_class(25) == duration_class(24)
    assert left_class([1, 32, 33, 64, 1000]).tolist() == [1, 32, 33, 40, 64]


def test_more_than_32_parts_keep_the_fullest():
    notes = notes_array(onset=np.arange(70) * 10, duration=10, pitch=60, part=np.r_[np.arange(40), np.arange(30)])
    score = Score(notes, regular_bars(1, 960), tuple(Part(str(i)) for i in range(40)), 960)
    grid, report = quantize(score)
    assert len(grid.parts) == 32
    assert report.dropped_parts == 8 and report.dropped_notes == 8


def test_long_silence_loses_empty_bars_and_says_so():
    bars = regular_bars(100, 24)
    notes = notes_array([(0, 24, 60), (96 * 90, 24, 62)])
    grid, report = quantize(Score(notes, bars, (Part(),), 24))
    assert report.dropped_bars == 90 - 32
    assert len(grid.bars) == 100 - report.dropped_bars
    assert len(decode(encode(grid)[0]).notes) == 2


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda rows, bars: rows.__setitem__((0, 3), 131), "pitch out of range. Expected 0..127. Received 131"),
        (lambda rows, bars: rows.__setitem__((0, 1), 96), "position out of range"),
        (lambda rows, bars: rows.__setitem__((slice(None), 0), rows[::-1, 0].copy()), "Rows out of order"),
        (lambda rows, bars: bars.__setitem__((0, 0), 0), "bar length out of range"),
        (lambda rows, bars: rows.__setitem__((0, 2), 9), "part out of range"),
    ],
)
def test_illegal_rows_are_named(change, text):
    piece, _ = encode(tune(4))
    rows, bars = piece.rows.copy(), piece.bars.copy()
    change(rows, bars)
    with pytest.raises(EncodingError, match=text):
        check_legal(EncodedPiece(rows, bars, piece.programs, piece.controls))


def test_empty_scores_are_refused():
    with pytest.raises(EncodingError, match="has no notes"):
        quantize(Score(notes_array([]), regular_bars(1, 24), (Part(),), 24))
    grace = notes_array([{"onset": 0, "duration": 0, "pitch": 60, "grace": True}])
    with pytest.raises(EncodingError, match="only grace notes"):
        quantize(Score(grace, regular_bars(1, 24), (Part(),), 24))

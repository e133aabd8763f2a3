"""The vector of descriptors: its table, its behaviour on anything at all, what it must not notice."""

import time
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from music import tune
from zhiyin.errors import InputError
from zhiyin.measures import descriptors as module
from zhiyin.measures.descriptors import DESCRIPTORS, NAMES, describe, describe_columns, index_of, style_inputs
from zhiyin.measures.surface import read_surface
from zhiyin.score import Part, Score, bars_array, notes_array, regular_bars

STILL = np.array([not d.moves for d in DESCRIPTORS])
UNHURRIED = np.array([not d.scales for d in DESCRIPTORS])


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def checked(score: Score) -> np.ndarray:
    values = describe(score)
    assert values.dtype == np.float32 and values.shape == (len(DESCRIPTORS),)
    assert np.isfinite(values).all(), [n for n, v in zip(NAMES, values) if not np.isfinite(v)]
    shares = np.array([d.unit in ("share", "0 or 1") for d in DESCRIPTORS])
    outside = shares & ((values < -1e-6) | (values > 1 + 1e-6))
    assert not outside.any(), [(n, v) for n, v, o in zip(NAMES, values, outside) if o]
    return values


@st.composite
def scores(draw, low: int = 36, high: int = 84) -> Score:
    """Any small score: several parts, drums or not, pickups, changes of meter, notes past the end, unisons, overlaps."""
    ticks = draw(st.sampled_from([1, 24, 96, 480]))
    meters = draw(st.lists(st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 2), (5, 8), (12, 8), (7, 4), (1, 4)]), min_size=1, max_size=12))
    lengths = [max(4 * ticks * n // d, 1) for n, d in meters]
    if draw(st.booleans()):
        lengths[0] = max(lengths[0] // draw(st.integers(1, 6)), 1)
    number = np.arange(len(meters)) + (0 if draw(st.booleans()) else 1)
    numerator, denominator = zip(*meters)
    bars = bars_array(lengths, number=number, meter_numerator=numerator, meter_denominator=denominator, tempo_qpm=draw(st.sampled_from([0, 90, 120])))
    parts = draw(st.integers(1, 4))
    drums = draw(st.lists(st.booleans(), min_size=parts, max_size=parts))
    count = draw(st.integers(0, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    grid = draw(st.sampled_from([1, max(ticks // 2, 1), ticks]))
    onset = rng.integers(0, max(sum(lengths) * 9 // 8 // grid, 1), count) * grid
    notes = notes_array(
        onset=onset, duration=rng.integers(0, 4, count) * grid, pitch=rng.integers(low, high, count), part=rng.integers(0, parts, count),
        velocity=rng.integers(0, 128, count), grace=rng.random(count) < 0.1,
    )  # fmt: skip
    return Score(notes, bars, tuple(Part(drums=d) for d in drums), ticks)


def test_the_table_is_whole():
    assert len(DESCRIPTORS) >= 200
    assert len(set(NAMES)) == len(NAMES)
    for d in DESCRIPTORS:
        assert d.name.isascii() and d.name == d.name.lower() and " " not in d.name, d.name
        assert d.unit and d.source and d.text and d.chinese and d.group, d.name
        assert any("\u4e00" <= c <= "\u9fff" for c in d.chinese), d.name
        assert "{}" not in d.text + d.chinese + d.source, d.name
    for of in (lambda d: d.text, lambda d: d.chinese):
        said = [(d.group, of(d)) for d in DESCRIPTORS]
        assert len(set(said)) == len(said), [x for x in said if said.count(x) > 1]
    assert {d.group for d in DESCRIPTORS if d.moves} == {"register"} and {d.group for d in DESCRIPTORS if d.scales} == {"tempo"}


def test_every_file_of_features_fills_its_table():
    score = tune(8, parts=2)
    surface = read_surface(score.notes, score.bars, np.zeros(2, bool), score.ticks_per_quarter)
    empty = read_surface(score.notes[:0], score.bars, np.zeros(2, bool), score.ticks_per_quarter)
    for features in module._SURFACE_FEATURES:
        assert len(features.measure(surface)) == len(features.measure(empty)) == len(features.TABLE), features.__name__


def test_style_inputs_leave_out_what_gives_a_collection_away():
    inputs = [DESCRIPTORS[i] for i in style_inputs()]
    assert len(inputs) >= 200
    assert not {d.group for d in inputs} & {"dynamics", "tempo", "size", "notation"}
    assert {d.left_out for d in DESCRIPTORS} == {"", "velocity", "tempo", "length", "program", "format"}
    score = tune(16, parts=2)
    notes = score.notes.copy()
    notes["velocity"] = np.random.default_rng(0).integers(1, 128, len(notes))
    played = score.replace(notes=notes, parts=(Part("Flute", 73), Part("Tuba", 58)))
    columns = list(style_inputs())
    assert np.array_equal(describe(score)[columns], describe(played)[columns])


def test_names_are_found_and_near_ones_said():
    assert NAMES[index_of("syncopation")] == "syncopation"
    with pytest.raises(InputError, match=r"Unknown descriptor. Expected a name in DESCRIPTORS. Received 'syncopatoin'. hint: 'syncopation'"):
        index_of("syncopatoin")


@settings(max_examples=150, deadline=None)
@given(scores(), st.integers(-36, 43))
def test_transposition_moves_only_the_register(score, semitones):
    before, after = checked(score), checked(score.transpose(semitones))
    wrong = STILL & (before != after)
    assert not wrong.any(), [(n, a, b) for n, a, b, w in zip(NAMES, before, after, wrong) if w]
    if before[index_of("pitch_mean")]:
        assert after[index_of("pitch_mean")] == pytest.approx(before[index_of("pitch_mean")] + semitones)


@settings(max_examples=80, deadline=None)
@given(scores(), st.sampled_from([0.25, 0.5, 2.0, 3.7]))
def test_tempo_scaling_moves_only_the_tempo(score, factor):
    bars = score.bars.copy()
    bars["tempo_qpm"] = np.where(bars["tempo_qpm"] > 0, bars["tempo_qpm"], 120) * factor
    wrong = UNHURRIED & (describe(score) != describe(score.replace(bars=bars)))
    assert not wrong.any(), np.array(NAMES)[wrong]


@settings(max_examples=80, deadline=None)
@given(scores(), st.sampled_from([2, 5, 96]))
def test_tick_resolution_is_not_noticed(score, factor):
    finer = score.with_resolution(score.ticks_per_quarter * factor)
    if (score.notes["duration"][~score.notes["grace"]] == 0).any():  # with_resolution gives them a tick
        return
    columns = list(style_inputs())
    before, after = describe(score)[columns], describe(finer)[columns]
    wrong = np.abs(before - after) > 1e-5
    assert not wrong.any(), np.array(NAMES)[columns][wrong]


@settings(max_examples=120, deadline=None)
@given(scores(0, 128))
def test_any_score_is_described(score):
    checked(score)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_hardly_any_notes(count):
    for drums in (False, True):
        notes = notes_array([(24 * i, 24, 60 + i) for i in range(count)])
        values = checked(Score(notes, regular_bars(1, 24), (Part(drums=drums),), 24))
        pitched = [i for i, d in enumerate(DESCRIPTORS) if d.group in ("pitch", "register", "melody", "harmony", "texture")]
        assert (values[pitched] == 0).all() == (drums or not count)


def test_no_parts_and_only_graces():
    checked(Score(notes_array(), regular_bars(2, 24), (), 24))
    checked(Score(notes_array(onset=[0, 24], duration=0, pitch=60, grace=True), regular_bars(2, 24), (Part(),), 24))


def test_drums_alone_have_rhythm_and_form():
    onset = np.arange(32) * 12
    notes = notes_array(onset=onset, duration=6, pitch=np.where(onset % 48 == 24, 38, 42))
    values = checked(Score(notes, regular_bars(4, 24), (Part(drums=True),), 24))
    said = dict(zip(NAMES, values))
    assert said["notes_per_beat"] == 2 and said["duration_quarter"] == 1 and said["interonset_half"] == 1
    assert said["bar_returns_1"] == pytest.approx(1) and said["bars_repeated"] == 0.75 and said["drum_notes"] == 1
    assert said["degree_1"] == said["polyphony"] == 0


def test_thirty_two_parts():
    score = tune(8, parts=4)
    notes = np.concatenate([score.notes] * 8)
    notes["part"] += np.repeat(np.arange(8) * 4, len(score.notes)).astype(np.int16)
    said = dict(zip(NAMES, checked(score.replace(notes=notes, parts=tuple(Part() for _ in range(32))))))
    assert said["parts"] == 32


def test_a_hundred_thousand_notes_in_bounded_time_and_memory():
    rng = np.random.default_rng(1)
    n = 100_000
    notes = notes_array(onset=np.sort(rng.integers(0, 24 * 25_000, n)), duration=rng.integers(1, 97, n), pitch=rng.integers(30, 90, n), part=rng.integers(0, 4, n))
    score = Score(notes, regular_bars(6_250, 24), tuple(Part() for _ in range(4)), 24)
    tracemalloc.start()
    began = time.process_time()
    checked(score)
    seconds, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500e6, peak
    assert seconds < 20, seconds


@pytest.mark.parametrize("length", [2**30, 2**31 - 1])
def test_one_enormous_bar_does_not_take_the_memory(length):
    notes = notes_array(onset=[0, length // 2], duration=[length // 2, 1], pitch=[60, 64])
    tracemalloc.start()
    checked(Score(notes, bars_array([length]), (Part(),), 1))
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def test_columns_say_what_the_score_says():
    score = tune(12, parts=3)
    given = describe_columns(score.notes, score.bars, np.zeros(3, bool), score.ticks_per_quarter)
    still = [i for i, d in enumerate(DESCRIPTORS) if d.group != "tempo"]
    assert np.array_equal(given[still], describe(score)[still])
    assert (given[[i for i, d in enumerate(DESCRIPTORS) if d.group == "tempo"]] == 0).all()


def test_the_score_is_not_touched():
    score = tune(8)
    before = score.notes.copy()
    assert np.array_equal(describe(score), describe(score))
    assert np.array_equal(before, score.notes)

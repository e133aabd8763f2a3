"""Playability: each limit has a piece just inside and one just outside it."""

import numpy as np
import pytest

from zhiyin.measures.playability import (
    breath,
    empty_bars,
    find_problems,
    hands,
    hung_notes,
    is_playable,
    out_of_range,
    program_range,
    speed,
    two_hands,
)
from zhiyin.score import Part, Score, notes_array, regular_bars


def score_of(notes, *, program=0, drums=False, bars=4, tempo=120):
    """A score of one part at 24 ticks a quarter in 4/4."""
    table = regular_bars(bars, 24, tempo_qpm=tempo)
    return Score(notes_array(notes), table, (Part("x", program, drums),), 24)


SCALE = [(24 * i, 24, 60 + [0, 2, 4, 5, 7, 9, 11, 12][i % 8]) for i in range(16)]


def test_a_scale_is_playable_on_piano():
    assert find_problems(score_of(SCALE)) == ()
    assert is_playable(score_of(SCALE))


def test_ranges():
    low = score_of([(0, 24, 20), (24, 24, 60), (96, 96, 60), (192, 192, 60)])
    (problem,) = out_of_range(low)
    assert (problem.kind, problem.bar, problem.part, problem.detail) == ("range", 1, 0, "pitch 20 outside 21..108")
    assert out_of_range(score_of([(0, 24, 21)])) == []
    assert out_of_range(score_of([(0, 24, 36)], drums=True)) == []
    assert program_range(73) == (48, 110)
    assert program_range(127) == (0, 127)


@pytest.mark.parametrize(
    ("chord", "fits"),
    [
        ([48, 64], True),
        ([40, 56, 60, 76], True),
        ([36, 53, 60, 77], False),  # three hands
        ([48, 50, 52, 53, 55, 60, 62, 64, 65, 67], True),
        ([48, 50, 52, 53, 55, 57, 62, 64, 65, 67, 69], False),  # eleven fingers
        ([40, 60, 80], False),
        ([], True),
    ],
)
def test_two_hands(chord, fits):
    assert two_hands(chord) is fits


def test_hands_count_only_for_keyboards():
    chord = [(0, 96, p) for p in (36, 53, 60, 77)]
    assert [p.kind for p in hands(score_of(chord))] == ["hands"]
    assert hands(score_of(chord, program=48)) == []


def test_breath_needs_a_rest_or_a_long_note():
    quarter = [(24 * i, 24, 60 + i % 5) for i in range(64)]
    (problem,) = breath(score_of(quarter, program=73, bars=16, tempo=120))
    assert problem.detail == "32 s without a breath"
    assert problem.hard
    with_rest = [n for n in quarter if n[0] // 24 % 16 != 15]
    assert breath(score_of(with_rest, program=73, bars=16)) == []
    with_long = [(24 * i, 48 if i % 16 == 14 else 24, 60 + i % 5) for i in range(64) if i % 16 != 15]
    assert breath(score_of(with_long, program=73, bars=16)) == []
    assert breath(score_of(quarter, program=40, bars=16)) == []


def test_speed():
    run = [(3 * i, 3, 60 + i % 12) for i in range(32)]
    assert speed(score_of(run, tempo=100)) == []
    (problem,) = speed(score_of(run, tempo=200))
    assert problem.detail == "27 onsets a second"


def test_hung_notes():
    assert hung_notes(score_of([(0, 384, 60)])) == []
    assert [p.detail for p in hung_notes(score_of([(360, 48, 60)]))] == ["sounds past the last bar"]
    drone = [(0, 960, 48), *[(24 * i, 24, 72) for i in range(1, 40)]]
    assert [p.detail for p in hung_notes(score_of(drone, bars=10, tempo=120))] == ["sounds for 20 s"]


def test_empty_bars_are_those_where_nothing_sounds():
    assert [p.bar for p in empty_bars(score_of([(0, 96, 60), (288, 24, 62)]))] == [2, 3]
    assert empty_bars(score_of([(0, 384, 60)])) == []
    assert [p.bar for p in empty_bars(score_of([]))] == [1, 2, 3, 4]


def test_problems_come_in_order_of_bars_with_their_kinds():
    score = score_of([(0, 24, 20), *[(96, 24, p) for p in (36, 53, 60, 77)], (384 - 24, 48, 60)])
    assert [(p.bar, p.kind) for p in find_problems(score)] == [(1, "range"), (2, "hands"), (3, "empty"), (4, "hung")]
    assert not is_playable(score)
    assert np.all([p.part in (0, -1) for p in find_problems(score)])

import numpy as np
import pytest

from music import tune
from zhiyin.errors import InputError
from zhiyin.score import Mark, Part, Score, bars_array, notes_array, regular_bars


def test_notes_are_sorted_and_read_only():
    notes = notes_array([(480, 480, 64), (0, 480, 67), (0, 480, 60)])
    score = Score(notes, regular_bars(1, 480), (Part(),), 480)
    assert score.notes["pitch"].tolist() == [60, 67, 64]
    with pytest.raises(ValueError, match="read-only"):
        score.notes["pitch"][0] = 1


def test_seconds_follow_the_tempo_map():
    bars = regular_bars(2, 480, tempo_qpm=[120.0, 60.0])
    score = Score(notes_array([(0, 480, 60)]), bars, (Part(),), 480, marks=(Mark(2400, "tempo", "slower =30"),))
    assert score.seconds(np.array([0, 1920, 2400, 2880])).tolist() == [0.0, 2.0, 3.0, 5.0]


def test_transposing_moves_pitch_key_and_spelling_but_not_drums():
    notes = notes_array(
        [{"onset": 0, "duration": 10, "pitch": 62, "spelling": 2}, {"onset": 0, "duration": 10, "pitch": 38, "part": 1}]
    )
    score = Score(notes, regular_bars(1, 480, key=2, mode=0), (Part(), Part(drums=True)), 480)
    up = score.transpose(2)
    assert up.notes["pitch"].tolist() == [64, 38]
    assert up.bars["key"][0] == 4
    assert up.notes["spelling"][0] == 4
    assert score.transpose(-12).bars["key"][0] == 2


def test_resolution_keeps_a_note_at_least_one_tick():
    score = Score(notes_array([(0, 1, 60), (7, 480, 62)]), regular_bars(1, 480), (Part(),), 480)
    coarse = score.with_resolution(24)
    assert coarse.notes["duration"].min() == 1
    assert coarse.bars["duration"].tolist() == [96]


def test_bar_numbers_and_upbeat():
    bars = bars_array([480, 1920, 1920], number=[0, 1, 2])
    assert Score(notes_array([(0, 10, 60)]), bars, (Part(),), 480).bar_count == 2
    assert tune(4).bar_count == 4


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"pitch": 131}, "pitch out of range. Expected 0..127. Received 131"),
        ({"part": 3}, "names a part that is not there. Expected 0..0. Received 3"),
        ({"duration": -1}, "duration out of range"),
    ],
)
def test_bad_notes_are_named(change, text):
    with pytest.raises(InputError, match=text):
        Score(notes_array([{"onset": 0, "duration": 10, "pitch": 60, **change}]), regular_bars(1, 480), (Part(),), 480)


def test_bars_must_be_whole():
    gap = regular_bars(2, 480)
    gap["onset"][1] += 1
    with pytest.raises(InputError, match="without gaps"):
        Score(notes_array([(0, 10, 60)]), gap, (Part(),), 480)
    with pytest.raises(InputError, match="at least one bar"):
        Score(notes_array([(0, 10, 60)]), regular_bars(0, 480), (Part(),), 480)

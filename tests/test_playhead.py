from __future__ import annotations

import numpy as np
import pytest

from pictures import tune
from zhiyin.errors import InputError
from zhiyin.formats.playhead import timeline_of
from zhiyin.score.performance import perform
from zhiyin.score.repeats import expand_repeats
from zhiyin.score.score import Mark


def tick_at(timeline: list, seconds: float) -> float:
    """The reference reading of a timeline: the last stretch that has begun, evenly."""
    a, b, i, j = [s for s in timeline if s[0] <= seconds][-1]
    return i + (seconds - a) / (b - a) * (j - i)


def test_an_even_piece_is_one_stretch() -> None:
    assert timeline_of(tune(5, upbeat=True)) == [(0.0, 10.5, 0, 24 + 5 * 96)]


@pytest.mark.parametrize(
    "marks", [(), (Mark(30, "tempo", "=77.7"), Mark(200, "tempo", "=140")), (Mark(96, "repeat", "end"),)]
)
def test_stretches_follow_each_other_and_end_with_the_sound(marks: tuple[Mark, ...]) -> None:
    score = tune(4).replace(marks=marks)
    heard = expand_repeats(score)
    line = np.array(timeline_of(score))
    assert line[0, 0] == 0
    assert np.array_equal(line[1:, 0], line[:-1, 1])
    assert line[-1, 1] == pytest.approx(float(heard.seconds(heard.end)), abs=1e-3)
    assert line[:, 2:].max() == score.end


def test_repeats_jump_back() -> None:
    score = tune(3).replace(marks=(Mark(0, "repeat", "start"), Mark(2 * 96, "repeat", "end")))
    assert timeline_of(score) == [(0.0, 4.0, 0, 192), (4.0, 10.0, 0, 288)]


def test_a_performance_keeps_time_with_its_notes() -> None:
    score = tune(8, parts=1)
    played = perform(score, seed=3)
    timeline = timeline_of(score, played)
    assert len(timeline) > 8
    heard = played.seconds(played.notes["onset"])
    distance = [abs(tick_at(timeline, max(float(s), 0.0)) - onset) for s, onset in zip(heard, score.notes["onset"])]
    assert len(distance) == 32
    assert max(distance) < 24 * 0.1  # a tenth of a quarter: the performance itself moves notes by milliseconds


def test_another_piece_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"The played score is another piece\. Expected 16 quarters\. Received 32 quarters"
    ):
        timeline_of(tune(4), tune(8))

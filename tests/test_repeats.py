"""Repeats, endings and jumps unfold as a player would read them."""

from __future__ import annotations

import numpy as np
import pytest

from zhiyin.errors import InputError
from zhiyin.score import Mark, Part, Score, bars_array, notes_array, regular_bars
from zhiyin.score.repeats import MAX_TIMES, expand_repeats, has_repeats

Q = 480
BAR = 4 * Q


def tune(bars: int, *marks: Mark, **changes) -> Score:
    """One whole note a bar; its pitch (60 + bar) says which bar is played."""
    notes = notes_array(onset=np.arange(bars) * BAR, duration=BAR, pitch=60 + np.arange(bars))
    return Score(notes, regular_bars(bars, Q), (Part(),), Q, marks, "notated").replace(**changes)


def played(score: Score) -> list[int]:
    out = expand_repeats(score)
    assert not has_repeats(out)
    assert len(out.bars) == len(out.notes)
    assert (out.notes["onset"] == out.bars["onset"]).all()
    return (out.notes["pitch"] - 59).tolist()


def repeat(bar: int, value: str) -> Mark:
    """A repeat sign: "start" at the onset of a bar (from 1), "end" at its closing bar line."""
    return Mark((bar - 1 if value == "start" else bar) * BAR, "repeat", value)


def ending(first: int, last: int, value: str) -> Mark:
    return Mark((first - 1) * BAR, "ending", value, end=last * BAR)


def jump(bar: int, value: str) -> Mark:
    return Mark((bar - 1) * BAR + Q, "jump", value)


def test_without_repeats_the_score_itself_comes_back():
    score = tune(3)
    assert expand_repeats(score) is score


@pytest.mark.parametrize(
    ("bars", "marks", "expected"),
    [
        (2, [repeat(2, "end")], [1, 2, 1, 2]),
        (3, [repeat(2, "start"), repeat(3, "end")], [1, 2, 3, 2, 3]),
        (4, [repeat(2, "end"), repeat(4, "end")], [1, 2, 1, 2, 3, 4, 3, 4]),
        (4, [repeat(1, "end"), repeat(3, "start"), repeat(3, "end")], [1, 1, 2, 3, 3, 4]),
        (2, [repeat(2, "end:3")], [1, 2, 1, 2, 1, 2]),
        (2, [repeat(2, "end:1")], [1, 2]),
        (3, [ending(2, 2, "1"), repeat(2, "end"), ending(3, 3, "2")], [1, 2, 1, 3]),
        (4, [ending(2, 2, "1"), repeat(2, "end"), ending(3, 3, "2"), repeat(3, "end")], [1, 2, 1, 3, 4]),
        (3, [ending(2, 2, "1,2"), repeat(2, "end"), ending(3, 3, "3")], [1, 2, 1, 2, 1, 3]),
        (4, [ending(2, 2, "1"), ending(3, 3, "2"), ending(4, 4, "3")], [1, 2, 1, 3, 1, 4]),
        (3, [ending(2, 2, "1."), repeat(2, "end")], [1, 2, 1, 3]),
        (
            6,
            [
                ending(2, 2, "1"),
                repeat(2, "end"),
                ending(3, 3, "2"),
                ending(5, 5, "1"),
                repeat(5, "end"),
                ending(6, 6, "2"),
            ],
            [1, 2, 1, 3, 4, 5, 4, 6],
        ),
    ],
)
def test_repeats_and_endings(bars, marks, expected):
    assert played(tune(bars, *marks)) == expected


@pytest.mark.parametrize(
    ("bars", "marks", "expected"),
    [
        (3, [jump(3, "D.C.")], [1, 2, 3, 1, 2, 3]),
        (3, [jump(1, "Fine"), jump(3, "D.C. al Fine")], [1, 2, 3, 1]),
        (4, [jump(2, "Segno"), jump(3, "Fine"), jump(4, "D.S. al Fine")], [1, 2, 3, 4, 2, 3]),
        (4, [jump(1, "To Coda"), jump(3, "D.C. al Coda"), jump(4, "Coda")], [1, 2, 3, 1, 4]),
        (4, [jump(1, "Coda"), jump(3, "D.C. al Coda"), jump(4, "Coda")], [1, 2, 3, 1, 4]),
        (3, [repeat(1, "end"), jump(2, "Fine"), jump(3, "D.C. al Fine")], [1, 1, 2, 3, 1, 2]),
        (
            4,
            [ending(2, 2, "1"), repeat(2, "end"), ending(3, 3, "2"), jump(3, "Fine"), jump(4, "D.C. al Fine")],
            [1, 2, 1, 3, 4, 1, 3],
        ),
    ],
)
def test_jumps(bars, marks, expected):
    assert played(tune(bars, *marks)) == expected


def test_a_jump_without_its_coda_ends():
    assert played(tune(2, jump(2, "D.S. al Coda"))) == [1, 2, 1, 2]


def test_marks_follow_their_bars_and_structure_goes():
    lyric, slur = Mark(BAR, "lyric", "la", 0), Mark(BAR, "slur", part=0, end=3 * BAR)
    out = expand_repeats(tune(3, repeat(2, "end"), lyric, slur, Mark(3 * BAR, "barline", "final")))
    assert [m.onset for m in out.marks if m.kind == "lyric"] == [BAR, 3 * BAR]
    assert [(m.onset, m.end) for m in out.marks if m.kind == "slur"] == [(BAR, 2 * BAR), (3 * BAR, 5 * BAR)]
    assert [m.onset for m in out.marks if m.kind == "barline"] == [5 * BAR]


def test_a_note_held_over_a_seam_ends_there():
    notes = notes_array([(0, 3 * BAR, 60)])
    out = expand_repeats(tune(3, repeat(2, "end"), notes=notes))
    assert out.notes["duration"].tolist() == [2 * BAR, 3 * BAR]


def test_upbeat_and_short_last_bar_meet_as_one_bar():
    bars = bars_array([Q, BAR, 3 * Q], number=[0, 1, 2])
    score = Score(notes_array([(0, Q, 60), (Q, BAR, 61)]), bars, (Part(),), Q, (Mark(2 * BAR, "repeat", "end"),))
    out = expand_repeats(score)
    assert out.bars["duration"].tolist() == [Q, BAR, BAR, BAR, 3 * Q]
    assert out.bars["number"].tolist() == [0, 1, 2, 3, 4]
    assert out.notes["onset"].tolist() == [0, Q, 2 * BAR, 2 * BAR + Q]


def test_going_back_restores_the_tempo():
    bars = regular_bars(2, Q, tempo_qpm=[90, 120])
    out = expand_repeats(tune(2, repeat(2, "end")).replace(bars=bars))
    assert out.tempo_map().tolist() == [[0, 90], [BAR, 120], [2 * BAR, 90], [3 * BAR, 120]]


def test_a_repeat_inside_a_bar_cuts_it():
    out = expand_repeats(tune(1, Mark(2 * Q, "repeat", "end")))
    assert out.bars["duration"].tolist() == [2 * Q, BAR]
    assert out.notes["onset"].tolist() == [0, 2 * Q]


def test_times_are_bounded():
    assert len(expand_repeats(tune(1, repeat(1, "end:99999999999"))).bars) == MAX_TIMES
    many = [repeat(i, f"end:{MAX_TIMES}") for i in range(1, 3001)]
    with pytest.raises(InputError, match=r"^Repeats unfold too far\. Expected ≤ 40000 stretches\. Received more\.$"):
        expand_repeats(Score(notes_array(), regular_bars(3000, Q), (), Q, tuple(many)))

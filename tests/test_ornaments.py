"""Ornament signs played out, on notes whose figures are counted by hand (60 quarters a minute: 480 ticks a second)."""

from __future__ import annotations

import numpy as np
import pytest

from zhiyin.score import Mark, Part, Score, notes_array, regular_bars
from zhiyin.score.ornaments import SIGNS, SUFFIX_SECONDS, TRILL_SECONDS, realise
from zhiyin.score.performance import perform

TPQ = 480


def score(pitches, durations, *marks: Mark, key: int = 0, mode: int = 0, drums: bool = False, graces=()) -> Score:
    onsets = np.r_[0, np.cumsum(durations)[:-1]]
    notes = notes_array(onset=onsets, duration=durations, pitch=pitches, voice=1)
    notes["grace"] = np.isin(np.arange(len(notes)), graces)
    notes["duration"][notes["grace"]] = 0
    bars = regular_bars(max(-(-int(sum(durations)) // (4 * TPQ)), 1), TPQ, key=key, mode=mode, tempo_qpm=60.0)
    return Score(notes, bars, (Part("P", 0, drums),), TPQ, marks, "notated")


def heard(s: Score) -> list[int]:
    return [int(p) for p in s.notes["pitch"]]


def ornament(value: str, onset: int = 0, **more) -> Mark:
    return Mark(onset, "ornament", value, 0, **more)


def test_a_trill_starts_on_the_upper_note_alternates_and_ends_on_its_own() -> None:
    played = realise(score([74], [480 // 2], ornament("trill"), key=2))
    assert heard(played) == [76, 74] * 3
    assert played.notes["onset"].tolist() == [0, 40, 80, 120, 160, 200]
    assert int((played.notes["onset"] + played.notes["duration"]).max()) == 240
    rate = len(played.notes) / 0.5
    assert rate == pytest.approx(1 / TRILL_SECONDS, rel=0.15)


def test_a_trill_after_its_upper_note_starts_on_its_own() -> None:
    assert heard(realise(score([76, 74], [480, 240], ornament("trill", 480), key=2)))[:4] == [76, 74, 76, 74]
    assert heard(realise(score([76, 74], [480, 240], ornament("trill", 480), key=2)))[-1] == 74


def test_a_long_trill_closes_with_the_lower_note_unless_graces_write_it_out() -> None:
    assert SUFFIX_SECONDS < 480 / 480
    assert heard(realise(score([74, 76], [480, 480], ornament("trill"), key=2)))[-3:] == [73, 74, 76]
    written = score([74, 73, 76], [480, 0, 480], ornament("trill"), key=2, graces=(1,))
    assert heard(realise(written))[-4:] == [76, 74, 73, 76]


@pytest.mark.parametrize(
    ("sign", "pitches"),
    [
        ("mordent", [72, 71, 72]),
        ("inverted-mordent", [72, 74, 72]),
        ("turn", [74, 72, 71, 72]),
        ("inverted-turn", [71, 72, 74, 72]),
        ("delayed-turn", [72, 74, 72, 71, 72]),
        ("delayed-inverted-turn", [72, 71, 72, 74, 72]),
        ("roll", [72, 74, 72, 71, 72]),
    ],
)
def test_figures(sign: str, pitches: list[int]) -> None:
    played = realise(score([72], [480], ornament(sign)))
    assert heard(played) == pitches
    assert int(played.notes["duration"].sum()) == 480
    assert (np.diff(played.notes["onset"]) == played.notes["duration"][:-1]).all()
    assert played.notes["onset"][1] / 480 == pytest.approx(0.07, abs=0.01) or sign.startswith("delayed")


def test_every_sign_fits_into_every_duration() -> None:
    for sign in sorted(SIGNS):
        for duration in (1, 2, 3, 5, 17, 60, 480, 5_000):
            played = realise(score([72], [duration], ornament(sign)))
            assert int(played.notes["duration"].sum()) == duration, (sign, duration)
            assert (played.notes["duration"] > 0).all()
            assert int(played.notes["pitch"][-1]) == 72


def test_neighbours_come_from_the_key_the_bar_and_the_minor_leading_note() -> None:
    def steps(pitches, **kw):
        return heard(realise(score(pitches, [480] * len(pitches), ornament("turn"), **kw)))[:3]

    assert steps([76]) == [77, 76, 74]  # E in C major
    assert steps([76], key=4) == [78, 76, 75]  # E in E major
    assert steps([69], mode=1) == [71, 69, 68]  # A in A minor
    assert steps([67, 66], key=0) == [69, 67, 66]  # an F sharp in the bar
    assert steps([67, 68], key=0) == [68, 67, 65]  # an A flat


def test_an_arpeggio_rises_from_the_beat_and_ends_together() -> None:
    notes = notes_array(onset=[0, 0, 0, 480], duration=[480] * 4, pitch=[60, 64, 67, 72])
    mark = Mark(0, "articulation", "arpeggio", 0)
    chord = Score(notes, regular_bars(1, TPQ, tempo_qpm=60.0), (Part(),), TPQ, (mark,), "notated")
    played = realise(chord)
    assert played.notes["onset"].tolist() == [0, 17, 34, 480]
    assert (played.notes["onset"] + played.notes["duration"]).tolist() == [480, 480, 480, 960]
    assert heard(played) == [60, 64, 67, 72]


def test_the_top_note_of_a_chord_is_ornamented_and_drums_are_not() -> None:
    notes = notes_array(onset=[0, 0], duration=[480] * 2, pitch=[60, 72])
    chord = Score(notes, regular_bars(1, TPQ, tempo_qpm=60.0), (Part(),), TPQ, (ornament("mordent"),), "notated")
    assert sorted(heard(realise(chord))) == [60, 71, 72, 72]
    drum = score([38], [480], ornament("trill"), drums=True)
    assert realise(drum).notes.tolist() == drum.notes.tolist()


def test_without_signs_the_score_itself_comes_back() -> None:
    plain = score([72], [480], Mark(0, "articulation", "staccato", 0))
    assert realise(plain) is plain


def test_a_performance_plays_ornaments_and_the_written_score_keeps_its_sign() -> None:
    written = score([72, 74, 76, 72] * 4, [480] * 16, ornament("trill", 480))
    played = perform(written, seed=1)
    assert len(played.notes) > len(written.notes) + 8
    assert len(written.notes) == 16 and written.marks[0].value == "trill"
    assert (played.notes["velocity"] > 0).all()
    assert len(perform(written, amount=0).notes) == 16


def test_a_trill_that_would_never_end_is_bounded() -> None:
    slow = score([72], [4 * TPQ * 100], ornament("trill"))
    bars = slow.bars.copy()
    bars["tempo_qpm"] = 10
    played = realise(slow.replace(bars=bars))
    assert len(played.notes) <= 512 and int(played.notes["duration"].sum()) == 4 * TPQ * 100

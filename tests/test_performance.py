"""The performance rules: what must stay, what must change, and by how much."""

from __future__ import annotations

import numpy as np
import pytest

from zhiyin.errors import InputError
from zhiyin.score import Mark, Part, Score, notes_array, regular_bars
from zhiyin.score.pedalling import pedal_marks
from zhiyin.score.performance import FINE_TICKS, melody_and_bass, perform
from zhiyin.score.phrasing import arch, final_ritardando, phrase_starts

TPQ = 24


def hymn(bars: int = 16, *, program: int = 0, marks: tuple[Mark, ...] = (), tempo: float = 100.0) -> Score:
    """Chords in quarters: a moving melody over three held chord notes, ``bars`` bars of 4/4."""
    rows = []
    melody = (72, 74, 76, 74)
    for bar in range(bars):
        at = bar * 4 * TPQ
        rows += [(at + i * TPQ, TPQ, melody[i]) for i in range(4)]
        rows += [(at, 4 * TPQ, p) for p in (48, 55, 64)]
    return Score(
        notes_array(rows), regular_bars(bars, TPQ, tempo_qpm=tempo), (Part("Piano", program),), TPQ, marks, "notated"
    )


def mean_tempo(score: Score, first_bar: int, last_bar: int) -> float:
    """Quarters per minute over bars first..last (rows)."""
    begin = score.bars["onset"][first_bar]
    end = score.bars["onset"][last_bar] + score.bars["duration"][last_bar]
    quarters = (end - begin) / score.ticks_per_quarter
    return 60 * quarters / float(score.seconds(end) - score.seconds(begin))


def test_same_notes_every_velocity_given_and_said_to_be_performed():
    score = hymn()
    played = perform(score)
    assert played.timing == "performed"
    assert len(played.notes) == len(score.notes) == 112
    assert sorted(played.notes["pitch"].tolist()) == sorted(score.notes["pitch"].tolist())
    assert played.notes["velocity"].min() > 0
    assert len(np.unique(played.notes["velocity"])) > 8
    assert played.ticks_per_quarter >= FINE_TICKS
    assert played.end == score.end * played.ticks_per_quarter // TPQ


def test_same_seed_same_performance_other_seed_another():
    first, again, other = perform(hymn(), seed=3), perform(hymn(), seed=3), perform(hymn(), seed=4)
    assert np.array_equal(first.notes, again.notes)
    assert first.marks == again.marks
    assert not np.array_equal(first.notes, other.notes)


def test_amount_zero_leaves_the_score_and_a_played_score_is_left_alone():
    score = hymn()
    assert perform(score, amount=0) is score
    live = perform(score)
    assert perform(live, seed=9) is live
    written = score.replace(timing="performed")
    assert len(np.unique(perform(written).notes["velocity"])) > 8, "a label alone does not make a performance"
    with pytest.raises(InputError, match=r"amount out of range\. Expected 0\.\.3\. Received -1"):
        perform(score, amount=-1)


def test_amount_scales_the_deviations():
    spread = [np.std(perform(hymn(), amount=a).notes["velocity"].astype(float)) for a in (0.5, 1.0, 2.0)]
    assert spread[0] < spread[1] < spread[2]


def test_time_only_goes_forward():
    played = perform(hymn(40), amount=2.0)
    table = played.tempo_map()
    assert (np.diff(table[:, 0]) > 0).all()
    assert (table[:, 1] > 0).all()
    assert (np.diff(played.seconds(np.arange(0, played.end, 60))) > 0).all()


def test_final_ritardando_is_really_slower_and_the_whole_keeps_its_tempo():
    score = hymn(16)
    played = perform(score)
    assert mean_tempo(played, 15, 15) < 0.85 * mean_tempo(played, 5, 10)
    assert mean_tempo(played, 0, 12) == pytest.approx(100, rel=0.02)
    speed = final_ritardando(score, np.arange(0, score.end))
    assert (np.diff(speed) <= 0).all()
    assert speed[0] == 1
    assert speed[-1] == pytest.approx(0.58, abs=0.01)


def test_phrases_breathe():
    played = perform(hymn(32), seed=1)
    middles = np.mean([mean_tempo(played, b, b) for b in (1, 2, 9, 10, 17, 18)])
    seams = np.mean([mean_tempo(played, b, b) for b in (7, 15, 23)])
    assert seams < 0.97 * middles
    loud = [played.notes["velocity"][played.bar_of(played.notes["onset"]) == b].mean() for b in (4, 7)]
    assert loud[0] > loud[1]


def test_phrases_start_every_four_bars_at_upbeats_double_bars_and_after_fermatas():
    score = hymn(12)
    bar = 4 * TPQ
    assert phrase_starts(score).tolist() == [0, 4 * bar, 8 * bar]
    double = score.replace(marks=(Mark(6 * bar, "barline", "double"),))
    assert phrase_starts(double).tolist() == [0, 4 * bar, 6 * bar, 10 * bar]
    fermatas = tuple(Mark(b * bar + 3 * TPQ, "fermata") for b in (1, 4, 7, 11))
    assert phrase_starts(score.replace(marks=fermatas)).tolist() == [0, 2 * bar, 5 * bar, 8 * bar]
    bars = score.bars.copy()
    bars["onset"][1:] -= 3 * TPQ
    bars["duration"][0], bars["number"] = TPQ, np.arange(12)
    upbeat = Score(score.notes[:4], bars, score.parts, TPQ)
    assert phrase_starts(upbeat).tolist() == [0, 4 * bar, 8 * bar]


def test_arch_is_one_at_its_turn_and_minus_one_at_its_ends():
    assert arch(np.array([0.0, 0.4, 1.0]), 0.4) == pytest.approx([-1, 1, -1])


def test_melody_is_louder_and_early():
    played = perform(hymn(32), seed=2)
    role = melody_and_bass(played)
    loud = [played.notes["velocity"][role == r].mean() for r in (1, 0, -1)]
    assert loud[0] > loud[2] > loud[1]
    score = hymn(32)
    top, inner = perform(score, seed=2).notes, []
    beat = FINE_TICKS * 4
    offset = (top["onset"] + beat // 2) % beat - beat // 2
    inner = top["pitch"] == 55
    assert np.mean(offset[top["pitch"] == 72]) < np.mean(offset[inner]) - 3


def test_downbeats_are_stressed():
    rows = [(i * TPQ, TPQ, 60) for i in range(160)]
    score = Score(notes_array(rows), regular_bars(40, TPQ), (Part("Flute", 73),), TPQ)
    velocity = perform(score).notes["velocity"].astype(float).reshape(40, 4).mean(axis=0)
    assert velocity[0] > velocity[2] > velocity[1]
    assert velocity[0] > velocity[3] + 2


def test_articulation_shortens_as_marked():
    rows = [(i * TPQ, TPQ, 60 + i % 5) for i in range(16)]
    marks = (
        Mark(0, "articulation", "staccato"),
        Mark(TPQ, "articulation", "staccatissimo"),
        Mark(2 * TPQ, "articulation", "tenuto"),
        Mark(3 * TPQ, "articulation", "accent"),
        Mark(8 * TPQ, "slur", "", 0, 12 * TPQ),
    )
    score = Score(notes_array(rows), regular_bars(4, TPQ), (Part("Flute", 73),), TPQ, marks)
    share = perform(score).notes["duration"] / FINE_TICKS
    assert share[0] == pytest.approx(0.5, abs=0.02)
    assert share[1] == pytest.approx(0.3, abs=0.02)
    assert share[2] == pytest.approx(1.0, abs=0.02)
    assert 0.8 < share[4] < 1
    assert (share[8:12] > 1).all()
    plain = perform(score.replace(marks=()))
    louder = perform(score).notes["velocity"].astype(int) - plain.notes["velocity"]
    assert louder[3] == 11
    assert louder[4] == 0


def test_dynamics_set_the_level_and_given_velocities_stay_the_base():
    marks = (Mark(0, "dynamic", "p", 0), Mark(8 * 4 * TPQ, "dynamic", "ff", 0))
    played = perform(hymn(16, marks=marks))
    bar = played.bar_of(played.notes["onset"])
    soft, loud = (played.notes["velocity"][bar < 8].mean(), played.notes["velocity"][bar >= 8].mean())
    assert 40 < soft < 58
    assert 98 < loud < 122
    notes = hymn().notes.copy()
    notes["velocity"] = 30
    assert perform(hymn().replace(notes=notes)).notes["velocity"].mean() == pytest.approx(30, abs=4)


def test_a_fermata_is_held():
    score = hymn(16)
    at = 7 * 4 * TPQ + 3 * TPQ
    held = perform(score.replace(marks=(Mark(at, "fermata"),)))
    plain = perform(score)
    scale = held.ticks_per_quarter // TPQ
    seconds = [float(p.seconds((at + TPQ) * scale) - p.seconds(at * scale)) for p in (held, plain)]
    assert seconds[0] > 1.5 * seconds[1]


def test_ritardando_is_obeyed_until_a_tempo():
    marks = (Mark(4 * 4 * TPQ, "text", "rit."), Mark(6 * 4 * TPQ, "text", "a tempo"))
    slowed, plain = perform(hymn(16, marks=marks)), perform(hymn(16))
    assert mean_tempo(slowed, 5, 5) < 0.9 * mean_tempo(plain, 5, 5)
    assert mean_tempo(slowed, 6, 6) == pytest.approx(mean_tempo(plain, 6, 6), rel=0.01)


def test_tempo_words_stay_and_written_tempo_changes_are_kept():
    marks = (Mark(0, "tempo", "Andante =60"), Mark(8 * 4 * TPQ, "tempo", "Allegro =120"))
    played = perform(hymn(16, marks=marks, tempo=0))
    assert {m.value for m in played.marks if m.kind == "tempo" and "=" not in m.value} == {"Andante", "Allegro"}
    assert mean_tempo(played, 0, 7) == pytest.approx(60, rel=0.05)
    assert mean_tempo(played, 8, 13) == pytest.approx(120, rel=0.05)


def test_grace_notes_sound_before_their_beat():
    rows = [
        {"onset": 4 * TPQ, "duration": 0, "pitch": 74, "grace": True},
        *({"onset": i * TPQ, "duration": TPQ, "pitch": 60} for i in range(8)),
    ]
    played = perform(Score(notes_array(rows), regular_bars(2, TPQ, tempo_qpm=60.0), (Part(),), TPQ))
    grace = played.notes[played.notes["pitch"] == 74][0]
    assert not grace["grace"]
    assert grace["duration"] > 0
    before = float(played.seconds(4 * FINE_TICKS) - played.seconds(int(grace["onset"])))
    assert 0.05 < before < 0.11


def test_many_grace_notes_share_half_the_time_since_the_last_onset():
    rows = [(0, 480, 60), *[(480, 0, 62 + k) for k in range(8)], (480, 480, 72)]
    notes = notes_array(onset=[r[0] for r in rows], duration=[r[1] for r in rows], pitch=[r[2] for r in rows])
    notes["grace"] = notes["duration"] == 0
    played = perform(Score(notes, regular_bars(1, TPQ, tempo_qpm=120.0), (Part(),), TPQ))
    seconds = played.seconds(played.notes["onset"])
    order = np.argsort(seconds)
    assert played.notes["pitch"][order].tolist() == [60, *range(62, 70), 72]
    assert 0.2 < seconds[order][1] < seconds[order][-1]


def test_repeats_are_unfolded_first():
    score = hymn(8).replace(marks=(Mark(4 * 4 * TPQ, "repeat", "end"),))
    assert perform(score).bar_count == 12


def test_pedal_never_holds_seconds_of_the_middle_register():
    score = hymn(8).transpose(-12)
    spans = [(m.onset, m.end) for m in pedal_marks(score, delay=1)]
    assert len(spans) >= 8
    for begin, end in spans:
        inside = (score.notes["onset"] >= begin - 1) & (score.notes["onset"] < end)
        pitches = np.unique(score.notes["pitch"][inside])
        assert (np.diff(pitches[pitches < 72]) > 2).all()


def test_pedal_follows_the_harmony_and_only_on_pianos():
    rows = [(b * 4 * TPQ + i * TPQ, TPQ, p) for b in range(8) for i, p in enumerate((48 - b % 2, 67, 72, 76))]
    broken = Score(notes_array(rows), regular_bars(8, TPQ), (Part("Piano", 0),), TPQ, timing="notated")
    played = perform(broken)
    spans = [m for m in played.marks if m.kind == "pedal"]
    bar = 4 * FINE_TICKS
    assert len(spans) == 8
    assert all(m.onset // bar == i and m.end == (i + 1) * bar for i, m in enumerate(spans))
    assert all(0 < m.onset % bar < FINE_TICKS // 2 for m in spans)
    assert not [m for m in perform(broken.replace(parts=(Part("Organ", 19),))).marks if m.kind == "pedal"]
    own = broken.replace(marks=(Mark(0, "pedal", "", 0, TPQ),))
    assert len([m for m in perform(own).marks if m.kind == "pedal"]) == 1


def test_pedal_changes_with_the_bass_inside_a_bar():
    rows = [(i * TPQ, TPQ, p) for i, p in enumerate((48, 64, 43, 62))]
    score = Score(notes_array(rows), regular_bars(1, TPQ), (Part("Piano", 0),), TPQ)
    assert [(m.onset, m.end) for m in pedal_marks(score, delay=1)] == [(1, 2 * TPQ), (2 * TPQ + 1, 4 * TPQ)]


def test_drums_get_no_melody_and_no_pedal():
    rows = [{"onset": i * TPQ, "duration": TPQ, "pitch": 36 + 2 * (i % 2), "part": 0} for i in range(16)]
    score = Score(notes_array(rows), regular_bars(4, TPQ), (Part("Drums", 0, True),), TPQ)
    assert not melody_and_bass(score).any()
    assert not [m for m in perform(score).marks if m.kind == "pedal"]


def test_fine_ticks_and_long_beats_do_not_overflow():
    score = hymn(4).with_resolution(30_240)
    played = perform(score)
    assert played.ticks_per_quarter == 30_240
    assert np.abs(played.notes["onset"][played.notes["pitch"] == 48] - np.arange(4) * 4 * 30_240).max() < 2000

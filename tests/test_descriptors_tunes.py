"""Descriptors of tunes whose answers are known by hand: a jig, Alberti and walking basses, parallel thirds, a canon …"""

import numpy as np
import pytest

from zhiyin.measures.descriptors import NAMES, describe
from zhiyin.score import Part, Score, bars_array, notes_array, regular_bars


def said(score: Score) -> dict[str, float]:
    return dict(zip(NAMES, describe(score).tolist()))


def line(pitches, length: int = 24, start: int = 0, part: int = 0) -> list[dict]:
    """Notes of one length (or of the given lengths) one after the other; None rests."""
    lengths = [length] * len(pitches) if isinstance(length, int) else length
    at, out = start, []
    for pitch, ticks in zip(pitches, lengths):
        if pitch is not None:
            out.append({"onset": at, "duration": ticks, "pitch": pitch, "part": part})
        at += ticks
    return out


def piece(*lines: list[dict], bars: int = 4, meter: tuple[int, int] = (4, 4), parts: int = 1) -> Score:
    return Score(notes_array([n for one in lines for n in one]), regular_bars(bars, 24, *meter), (Part(),) * parts, 24)


def test_a_jig_is_compound_and_even():
    bar = [62, 66, 69, 74, 69, 66]
    jig = said(piece(line([*bar, 62, 66, 69, 71, 69, 67] * 4, 12), bars=8, meter=(6, 8)))
    assert jig["meter_compound"] == 1 and jig["beats_per_bar"] == 2 and jig["beat_unit"] == 1.5
    assert jig["duration_third"] == 1 and jig["interonset_third"] == 1 and jig["rhythm_pair_even"] == 1
    assert jig["beat_place_on"] == pytest.approx(1 / 3) and jig["beat_place_third"] == pytest.approx(2 / 3)
    assert jig["level_bar"] == jig["level_beat"] == jig["level_first"] == 1 and jig["level_second"] == 0
    assert jig["syncopation"] == 0 and jig["npvi"] == 0 and jig["triplets"] == 0
    assert jig["bar_returns_2"] == pytest.approx(1) and jig["bars_repeated"] == 0.75
    assert jig["degree_1"] == pytest.approx(12 / 48) and jig["diatonic"] == 1 and jig["mode_minor"] == 0


def test_an_alberti_bass_and_block_chords():
    figure = [48, 55, 52, 55, 48, 55, 52, 55]
    tune = line([72, 74, 76, 77] * 4, 24)
    alberti = said(piece(line(figure * 4, 12), tune))
    blocks = said(piece([n for p in (48, 52, 55) for n in line([p] * 16)], tune))
    assert alberti["alberti_bass"] > 0.9 > 0.1 > blocks["alberti_bass"]
    assert alberti["bass_activity"] == pytest.approx(2 / 3) and blocks["bass_activity"] == 0.5
    assert blocks["struck_4"] == 1 and blocks["melody_alone"] == 0 and blocks["polyphony"] == 4
    assert alberti["broken_chord_bass"] == 0 and alberti["bass_interval_fifth"] > 0.2


def test_a_walking_bass():
    walk = [36, 38, 40, 41, 43, 45, 43, 41, 40, 38, 36, 35, 36, 38, 40, 43]
    walking = said(piece(line(walk), line([72, None, 76, None] * 4)))
    resting = said(piece(line([36, 43] * 4, 48), line([72, None, 76, None] * 4)))
    assert walking["walking_bass"] == 1 and resting["walking_bass"] == 0
    assert walking["bass_stepwise"] > 0.8 and resting["bass_fifths"] == 1


@pytest.mark.parametrize(("below", "name"), [((3, 3, 4, 3, 3, 4, 4, 3), "upper_thirds"), ((8, 9, 9, 8, 8, 9, 9, 8), "upper_sixths"), ((12,) * 8, "upper_octaves")])
def test_parallel_upper_voices(below, name):
    scale = [60, 62, 64, 65, 67, 69, 71, 72]
    two = said(piece(line(scale), line([p - b for p, b in zip(scale, below)], part=1), bars=2, parts=2))
    assert two[name] == 1 and sum(two[n] for n in ("upper_thirds", "upper_sixths", "upper_octaves")) == 1
    assert two["motion_parallel"] == 1 and two["motion_contrary"] == 0


def test_contrary_and_oblique_motion():
    contrary = said(piece(line([60, 62, 64, 65]), line([55, 53, 52, 50], part=1), bars=1, parts=2))
    oblique = said(piece(line([60, 62, 64, 65]), line([48], 96, part=1), bars=1, parts=2))
    assert contrary["motion_contrary"] == 1 and oblique["motion_oblique_upper"] == 1


def test_a_canon_is_imitation_and_two_tunes_are_not():
    rng = np.random.default_rng(3)
    subject = (60 + np.cumsum(rng.choice([-3, -2, -1, 1, 2, 4], 32))).tolist()
    other = (60 + np.cumsum(rng.choice([-3, -2, -1, 1, 2, 4], 32))).tolist()
    canon = said(piece(line(subject), line([p - 12 for p in subject], start=96, part=1), bars=9, parts=2))
    apart = said(piece(line(subject), line([p - 12 for p in other], start=96, part=1), bars=9, parts=2))
    assert canon["imitation"] == pytest.approx(0.5) and canon["imitation_strict"] == pytest.approx(0.5)
    assert apart["imitation"] < 0.1
    doubled = said(piece(line(subject), line([p - 12 for p in subject], part=1), bars=8, parts=2))
    assert doubled["imitation"] < 0.1 and doubled["octave_doubling"] == 0.5 and doubled["rhythm_independence"] == 0


def test_syncopation_by_longuet_higgins_and_lee():
    plain = said(piece(line([60] * 16)))
    assert plain["syncopation"] == 0 and plain["metre_fit"] > 0.5
    # half a beat late throughout: each note stands on level -3 and is held over a beat (-2), a half bar (-1) or a bar (0)
    late = said(piece(line([60] * 15, 24, start=12)))
    assert late["syncopated_notes"] == 1 and late["offbeat_notes"] == 1 and late["empty_downbeats"] == 1
    # of 14 notes followed by another, 7 pass a weak beat (3 - 2), 4 the half bar (3 - 1), 3 the bar (3 - 0): 24 levels in 4 bars
    assert late["syncopation"] == pytest.approx((7 * 1 + 4 * 2 + 3 * 3) / 4)
    # a quarter on beat 2 held over the half bar: level -2 against -1, one level
    one = said(piece(line([60, 62, 64], [24, 48, 24]), bars=1))
    assert one["syncopation"] == 1 and one["syncopated_notes"] == 0.5


def test_an_upbeat_is_no_syncopation():
    notes = line([67, 72, 74, 76, 77, 79, 72, 72, 72], 24)
    bars = bars_array([24, 96, 96], number=np.arange(3))
    tune = said(Score(notes_array(notes), bars, (Part(),), 24))
    assert tune["upbeat"] == 1 and tune["odd_bars"] == 0 and tune["syncopation"] == 0 and tune["bar_place_10"] > 0


def test_harmony_of_a_cadence():
    chords = [(60, 64, 67), (53, 57, 60), (55, 59, 62, 65), (48, 64, 67)]
    notes = [n for i, chord in enumerate(chords) for p in chord for n in line([p], 96, start=96 * i)]
    four = said(piece(notes))
    assert four["root_1"] == 0.5 and four["root_4"] == four["root_5"] == 0.25 and four["no_chord"] == 0
    assert four["chord_major"] == 0.75 and four["chord_dominant_seventh"] == 0.25
    assert four["root_moves_5"] == pytest.approx(2 / 3) and four["root_moves_2"] == pytest.approx(1 / 3)
    assert four["function_ts"] == four["function_sd"] == four["function_dt"] == pytest.approx(1 / 3)
    assert four["dominant_tonic"] == 4 and four["chord_changes_on_downbeat"] == 1 and four["root_position"] == 1
    assert four["sonority_major"] == 0.75 and four["sonority_dominant_seventh"] == 0.25 and four["other_notes"] == 0
    assert four["bass_closes_by_fifth"] == four["ends_on_tonic"] == four["begins_on_tonic"] == 1


def test_dissonance_and_tension_rise_with_clusters():
    triad = [n for p in (60, 64, 67) for n in line([p] * 16)]
    cluster = [n for p in (60, 61, 66) for n in line([p] * 16)]
    sweet, sour = said(piece(triad)), said(piece(cluster))
    assert sweet["dissonance"] == 0 and sour["dissonance"] == 1 and sweet["consonance"] == pytest.approx((0.386 + 0.594 + 1.240) / 3)
    assert sour["cloud_diameter"] > sweet["cloud_diameter"] and sweet["cloud_momentum"] == 0
    assert sour["tensile_strain"] > sweet["tensile_strain"]


def test_the_spiral_array_stands_as_chew_built_it():
    from zhiyin.measures.tension import diameters, place, places

    fifth, third = np.linalg.norm(place(1) - place(0)), np.linalg.norm(place(4) - place(0))
    assert fifth == pytest.approx(np.sqrt(2 + 2 / 15)) and third == pytest.approx(4 * np.sqrt(2 / 15))  # a fifth and a third stand equally far
    assert fifth == pytest.approx(third)
    assert diameters()[0b1] == 0 and diameters()[1 | 1 << 7] == pytest.approx(fifth)
    assert len(np.unique(places().round(6), axis=0)) == 12


def test_form_finds_the_lag():
    rng = np.random.default_rng(5)
    phrase = (60 + rng.choice([0, 2, 4, 5, 7, 9, 11], 16)).tolist()
    other = (60 + rng.choice([0, 2, 4, 5, 7, 9, 11], 16)).tolist()
    form = said(piece(line((phrase + other) * 2), bars=16))
    assert form["bar_returns_8"] == pytest.approx(1) and form["bar_returns_8"] > form["bar_returns_3"] and form["best_lag"] == 3
    assert form["bars_repeated"] >= 0.5 and form["second_half_new"] == 0
    up = [p + 2 for p in phrase[:4]]
    moved = said(piece(line(phrase[:4] + up + [p + 4 for p in phrase[:4]] + [p + 5 for p in phrase[:4]])))
    assert moved["bar_returns_1"] + moved["sequence_1"] == pytest.approx(1, abs=1e-5)


def test_contours_of_four_bar_phrases():
    arch = said(piece(line([60, 64, 67, 72, 72, 67, 64, 60], 48)))
    rising = said(piece(line([60, 62, 64, 65, 67, 69, 71, 72], 48)))
    assert arch["contour_arch"] == 1 and rising["contour_ascending"] == 1 and rising["melody_rising"] == 1


def test_dotted_and_swung_rhythms():
    dotted = said(piece(line([60, 62] * 16, [18, 6] * 16)))
    assert dotted["rhythm_pair_dotted"] > 0.45 and dotted["rhythm_pair_snap"] > 0.45
    assert dotted["duration_three_quarters"] == dotted["duration_quarter"] == 0.5 and dotted["npvi"] == pytest.approx(0.5)
    swung = said(piece(line([60, 62] * 16, [16, 8] * 16)))
    assert swung["rhythm_pair_long_short"] > 0.45 and swung["triplets"] == pytest.approx(15 / 31, abs=0.02)


def test_a_waltz_accompaniment_has_afterbeats():
    notes = []
    for bar in range(4):
        notes += line([48], 24, start=72 * bar)
        notes += [n for p in (64, 67) for n in line([p, p], 24, start=72 * bar + 24)]
    waltz = said(piece(notes, meter=(3, 4)))
    assert waltz["meter_triple"] == 1 and waltz["afterbeats"] == 1 and waltz["bass_on_downbeat"] == 1

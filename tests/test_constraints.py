"""Constraints hold in every output, whatever the network says; those that cannot be met are named."""

from pathlib import Path

import numpy as np
import pytest

from music import tune
from test_compose import write
from zhiyin.app.cli.compose import _tell as tell_made
from zhiyin.app.cli.writing import How
from zhiyin.errors import ControlError
from zhiyin.formats.catalog import load, save
from zhiyin.inference.chart import chart_text, lay_chart, parse_chart
from zhiyin.inference.constraints import chart_key, parse_pitch, parse_range
from zhiyin.inference.controls import Controls, find_key
from zhiyin.inference.likeness import likeness_of, read_likeness
from zhiyin.inference.narrow import chord_scale
from zhiyin.inference.plan import bar_rows
from zhiyin.inference.rhythm import read_rhythm, rhythm_of
from zhiyin.inference.scales import find_scale
from zhiyin.measures.chord_symbol import chord_name, parse_chord
from zhiyin.score import Part, Score, notes_array, regular_bars


@pytest.mark.parametrize(
    ("symbol", "root", "classes", "bass", "quality"),
    [
        ("C", 0, {0, 4, 7}, 0, "major"), ("Dm7/F", 2, {2, 5, 9, 0}, 5, "minor seventh"), ("F#dim", 6, {6, 9, 0}, 6, "diminished"),
        ("Bbmaj7", 10, {10, 2, 5, 9}, 10, "major seventh"), ("G7b9", 7, {7, 11, 2, 5, 8}, 7, "seventh"),
        ("Asus4", 9, {9, 2, 4}, 9, "major"), ("E♭+", 3, {3, 7, 11}, 3, "augmented"), ("C6/9", 0, {0, 4, 7, 9, 2}, 0, "major"),
        ("Am(maj7)", 9, {9, 0, 4, 8}, 9, "minor"), ("Bø", 11, {11, 2, 5, 9}, 11, "diminished"),
    ],
)  # fmt: skip
def test_chord_symbols_say_pitch_classes(symbol, root, classes, bass, quality):
    chord = parse_chord(symbol)
    assert (chord.root, set(chord.classes), chord.bass, chord.quality) == (root, classes, bass, quality)


def test_no_chord_and_what_is_none():
    assert parse_chord("N.C.") is None
    with pytest.raises(ControlError, match="'H7' is not a chord symbol"):
        parse_chord("H7")
    assert chord_name(10, "m7", 5, -3) == "Bbm7/F"


def test_a_chart_is_laid_over_bars_beat_by_beat():
    chart = parse_chart("Dm | G7 C/E | % | N.C.")
    assert chart_text(chart) == "Dm | G7 C/E | G7 C/E | N.C."
    spans = lay_chart(chart, bar_rows(5, (4, 4), find_key("C"), 100))
    assert [(s.bar, s.begin, s.end, s.chord.symbol if s.chord else None) for s in spans][:4] == [
        (0, 0, 96, "Dm"), (1, 0, 48, "G7"), (1, 48, 96, "C/E"), (2, 0, 48, "G7"),
    ]  # fmt: skip
    assert spans[-1].chord.symbol == "Dm"
    six = lay_chart(parse_chart("D A"), bar_rows(1, (6, 8), find_key("D"), 100))
    assert [(s.begin, s.end) for s in six] == [(0, 36), (36, 72)]


@pytest.mark.parametrize(
    ("chart", "said"),
    [("", "The chord chart has no bars"), ("C | X", "Bar 2 of the chord chart: 'X' is not a chord symbol"), ("C |  | G", "Bar 2 of the chord chart cannot be used")],
)  # fmt: skip
def test_a_chart_that_cannot_be_read_is_named_by_its_bar(chart, said):
    with pytest.raises(ControlError) as caught:
        parse_chart(chart)
    assert said in str(caught.value)


def test_keys_of_charts_and_what_sounds_over_a_chord():
    assert chart_key(parse_chart("Dm | G7 | C")) == "C major"
    assert chart_key(parse_chart("Am | Dm E7 | Am")) == "A minor"
    assert chord_scale((2, 6, 9, 0), find_key("C")) == {0, 2, 6, 9, 11, 4}  # D7 in C: neither F nor G


def test_scales_by_name():
    assert find_scale("D dorian").classes == {2, 4, 5, 7, 9, 11, 0}
    assert find_scale("宫", find_key("G")).classes == {7, 9, 11, 2, 4}
    assert find_scale("D dorian").key == "D minor"
    with pytest.raises(ControlError, match="Unknown scale 'doriann'"):
        find_scale("doriann", find_key("C"))


@pytest.mark.parametrize("seed", range(6))
def test_a_scale_and_a_range_hold_in_every_note(seed):
    made = write(
        bars=8, style="waltz", parts="flute,cello", scale="D dorian", ranges=("Flute=C5..A5", "2=C3..C4"), seed=seed
    )
    notes = made.score.notes
    assert set((notes["pitch"] % 12).tolist()) <= {2, 4, 5, 7, 9, 11, 0}
    for part, low, high in ((0, 72, 81), (1, 48, 60)):
        pitch = notes["pitch"][notes["part"] == part]
        assert len(pitch) and pitch.min() >= low and pitch.max() <= high
    assert made.report["key"] == "D minor"
    assert made.report["constraints"] == ["scale D dorian", "range Flute C5..A5", "range 2 C3..C4"]


@pytest.mark.parametrize("seed", range(6))
def test_a_given_rhythm_holds_note_for_note(seed):
    source = tune(8, seed=3, parts=2)
    made = write(rhythm=source, seed=seed, scale="D pentatonic")
    ours, theirs = made.score.with_resolution(480), source
    for column in ("onset", "duration", "part"):
        assert np.array_equal(ours.notes[column], theirs.notes[column]), column
    assert set((ours.notes["pitch"] % 12).tolist()) <= {2, 4, 6, 9, 11}
    assert made.report["bars"] == 8


def test_a_rhythm_with_chords_keeps_every_note():
    onset = np.repeat(np.arange(8) * 480, 3)
    notes = notes_array(onset=onset, duration=480, pitch=[60, 64, 67] * 8)
    source = Score(notes, regular_bars(2, 480, 4, 4), (Part("Piano", 0),), 480)
    ours = write(rhythm=source, scale="C pentatonic").score.notes
    assert len(ours) == 24
    assert (np.diff(ours["pitch"].astype(int).reshape(8, 3), axis=1) > 0).all()


def test_a_rhythm_goes_into_the_record_and_back():
    rhythm = rhythm_of(tune(4, parts=1), "my.mid")
    again = read_rhythm(rhythm.as_data())
    assert np.array_equal(rhythm.notes, again.notes) and again.name == "my.mid" and again.parts == ("Violin",)
    with pytest.raises(ControlError, match="The rhythm is damaged"):
        read_rhythm({"meter": "4/4"})


@pytest.mark.parametrize("seed", range(4))
def test_a_bass_follows_the_chart(seed):
    made = write(bars=8, style="waltz", parts="flute,cello", chords="F | Bb C7 | F/A Dm | C", seed=seed)
    score = made.score
    assert made.report["key"] == "F major"
    spans = lay_chart(parse_chart("F | Bb C7 | F/A Dm | C"), made.pieces[0].plan.bars)
    bass = score.notes[score.notes["part"] == 1]
    checked = 0
    for span in (s for s in spans if s.bar < 7):
        begin = int(score.bars["onset"][span.bar]) + span.begin
        struck = bass["pitch"][(bass["onset"] >= begin) & (bass["onset"] < begin + 24)]
        checked += len(struck)
        assert set((struck % 12).tolist()) <= {span.chord.bass}
        within = bass["pitch"][(bass["onset"] >= begin) & (bass["onset"] < begin + span.end - span.begin)]
        assert set((within % 12).tolist()) <= {*span.chord.classes, span.chord.bass}
    assert checked > 4
    assert made.report["gave_way"] == ["the last bar closes on F, not on the chart's C"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("meter", "chart"), [("3/4", "F | Bb C7 | F/A Dm | C"), ("6/8", "F C/E | Dm G7 | Bb | Gm C7")])
def test_the_bass_strikes_its_note_wherever_a_chord_begins(meter, chart, seed):
    made = write(bars=8, style="waltz", meter=meter, parts="flute,cello", chords=chart, seed=seed, candidates=1)
    spans = lay_chart(parse_chart(chart), made.pieces[0].plan.bars)
    bass = made.score.notes[made.score.notes["part"] == 1]
    for before, span in zip([None, *spans], spans):
        if span.bar == 7 or (before and before.chord == span.chord):
            continue
        struck = bass["pitch"][bass["onset"] == int(made.score.bars["onset"][span.bar]) + span.begin]
        assert (struck % 12).tolist() == [span.chord.bass], (span.bar, span.begin)


def test_the_chords_of_a_chart_stand_over_the_score(tmp_path):
    made = write(bars=6, style="waltz", parts="flute,cello", chords="F | Bb C7 | F/A | %", seed=2)
    symbols = [(made.score.bar_number(m.onset), m.value) for m in made.score.marks if m.kind == "chord"]
    assert symbols == [(1, "F"), (2, "Bb"), (2, "C7"), (3, "F/A"), (5, "F")]  # bar 6 closes on F, which sounds already
    save(made.score, tmp_path / "a.musicxml")
    assert [m.value for m in load(tmp_path / "a.musicxml").marks if m.kind == "chord"] == [s for _, s in symbols]


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"key": "D minor", "parts": "flute", "ranges": ("1=C4..C4",)}, ["the last bar has no D in the bass: the range of Flute (C4..C4), which holds, has none"]),
        ({"key": "C# major", "scale": "C major"}, ["the last bar does not close on C#: the scale C major, which holds, has none"]),
        ({"key": "D minor", "chords": "A7 | Dm", "scale": "D dorian"}, ["notes of the chart's A7 are left out: the scale D dorian, which holds, has not all of them"]),
        ({"key": "C major", "chords": "G7 | C", "ranges": ("2=C3..E3",)}, ["Cello does not play the bass note of the chart's G7: its range (C3..E3), which holds, has none"]),
        ({"key": "C major", "chords": "G7 | C", "scale": "C major", "ranges": ("2=C3..C4",)}, []),
    ],
)  # fmt: skip
def test_what_gave_way_is_said(wish, said):
    made = write(**{"parts": "flute,cello", "style": "waltz", "bars": 4, **wish})
    assert made.report["gave_way"] == said


def test_features_of_another_piece_without_its_notes():
    source = tune(8, seed=1, parts=2)
    like = likeness_of(source, "tune.mid")
    assert (like.key, like.meter, like.tempo_qpm, like.parts) == ("D major", "4/4", 120.0, ("Violin", "Viola"))
    assert read_likeness(like.as_data()) == like
    made = write(like=source)
    assert (made.report["key"], made.report["meter"], made.report["parts"]) == ("D major", "4/4", ["Violin", "Viola"])
    assert set((made.score.notes["onset"] % 96).tolist()) <= set(like.positions)
    assert made.record["settings"]["like"]["density"] == like.density


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"ranges": ("Oboe=C4..A5",)}, "There is no part 'Oboe'"),
        ({"ranges": ("Flute=A5..C4",)}, "The range of Flute is empty"),
        ({"ranges": ("Flute",)}, "'Flute' is not a range"),
        ({"ranges": ("1=C4..A5", "1=C4..B5")}, "Two ranges for '1'"),
        ({"ranges": ("Flute=C#5..C#5",), "scale": "C major"}, "The scale and the range cannot be met together"),
        ({"rhythm": tune(4), "meter": "3/4"}, "The meter and the rhythm cannot be met together"),
        ({"rhythm": tune(4)}, "The parts and the rhythm cannot be met together"),
        ({"scale": "nonesuch"}, "Unknown scale 'nonesuch'"),
    ],
)
def test_constraints_that_cannot_be_met_are_named(wish, said):
    with pytest.raises(ControlError) as caught:
        write(**{"bars": 4, "parts": "flute,cello", **({} if "meter" in wish else {"style": "waltz"} if "rhythm" not in wish else {}), **wish})
    assert said in str(caught.value)


def test_pitches_and_ranges_by_name():
    assert [parse_pitch(p) for p in ("C4", "Bb3", "F#5", "60")] == [60, 58, 78, 60]
    assert parse_range("Flute=C4..A5") == ("Flute", 60, 81)
    with pytest.raises(ControlError, match="'X9' is not a pitch"):
        parse_pitch("X9")


def test_constraints_are_controls():
    assert Controls(scale="dorian").said() == {"scale": "dorian"}


def test_parts_of_a_rhythm_stay_in_their_registers():
    onset = np.arange(64) * 120
    low = notes_array(onset=onset, duration=120, pitch=40 + np.arange(64) % 15, part=1)
    high = notes_array(onset=onset, duration=120, pitch=70 + np.arange(64) % 15, part=0)
    source = Score(np.sort(np.concatenate([low, high]), order=["onset", "part", "pitch"]), regular_bars(4, 480, 4, 4), (Part("Right", 0), Part("Left", 0)), 480)
    made = write(rhythm=source, seed=3)
    notes = made.score.notes
    left, right = (notes["pitch"][notes["part"] == p] for p in (1, 0))
    assert left.max() <= 58 and right.min() >= 66  # four semitones of room
    assert any(a.endswith("in their registers") for a in made.report["assumed"])
    other = write(rhythm=source, parts="flute,violin", seed=3)  # other instruments keep their own ranges
    assert other.score.notes["pitch"].min() >= 55
    rhythm = rhythm_of(source)
    assert rhythm.ranges == ((70, 84), (40, 54)) and read_rhythm(rhythm.as_data()).ranges == rhythm.ranges
    old = {k: v for k, v in rhythm.as_data().items() if k not in ("ranges", "register")}
    assert read_rhythm(old).ranges == () and read_rhythm(old).register == 0


def test_bars_in_which_a_rhythm_rests_make_nothing_unplayable_and_what_does_is_said(capsys):
    onset = np.r_[np.arange(8) * 240, 3 * 1920 + np.arange(4) * 480]
    notes = notes_array(onset=onset, duration=240, pitch=60 + np.arange(12) % 5)
    source = Score(notes, regular_bars(4, 480, 4, 4), (Part("Piano", 0),), 480)
    assert write(rhythm=source).report["candidates"]["unplayable"] == 0
    fast = notes_array(onset=np.arange(64) * 60, duration=60, pitch=60 + np.arange(64) % 12)
    made = write(rhythm=Score(fast, regular_bars(2, 480, 4, 4), (Part("Flute", 73),), 480), tempo_qpm=300.0)
    assert made.report["candidates"]["unplayable"] == made.report["candidates"]["written"]
    tell_made(made, [], [Path("a.mid")], single=True, how=How(None, 0))
    said = capsys.readouterr().err
    assert "can be played as it stands; kept is the one with the fewest problems: bar 2: speed, 40 onsets a second" in said
    assert "(some of it may lie in the given rhythm)" in said

"""Chords found in what sounds, or fitted under a lone tune, and written where each format has them."""

import numpy as np
import pytest

from music import tune
from zhiyin.app.cli.main import main
from zhiyin.errors import InputError
from zhiyin.formats.catalog import load, save
from zhiyin.inference.chords import chords, tune_chart
from zhiyin.inference.lead_sheet import in_note_values
from zhiyin.measures.chord_symbol import parse_chord
from zhiyin.measures.chords import find_chords
from zhiyin.score import Part, Score, notes_array, regular_bars


def block_chords(symbols, *, bars, meter=(4, 4), ticks=480):
    """Chords in root position below a held top note, shared equally over the bars."""
    total = bars * ticks * 4 * meter[0] // meter[1]
    length = total // len(symbols)
    onset, pitch = [], []
    for i, symbol in enumerate(symbols):
        chord = parse_chord(symbol)
        tones = [48 + chord.bass, *(60 + (c - 0) % 12 for c in chord.classes)]
        onset += [i * length] * len(tones)
        pitch += tones
    notes = notes_array(onset=onset, duration=length, pitch=pitch, part=0, velocity=80)
    return Score(notes, regular_bars(bars, ticks, *meter, key=0, mode=0), (Part("Piano", 0),), ticks)


@pytest.mark.parametrize(
    "symbols",
    [["C", "F", "G7", "C"], ["Am", "Dm7/F", "E7", "Am"], ["C", "Cmaj7", "C7", "F", "Fm", "C/E", "Ddim", "Caug"]],
)
def test_block_chords_are_named(symbols):
    found = find_chords(block_chords(symbols, bars=len(symbols)))
    assert [c.symbol for c in found] == symbols


def test_chords_are_spelled_in_the_key():
    score = block_chords(["Bb", "Eb", "F7", "Bb"], bars=4)
    bars = score.bars.copy()
    bars["key"] = -2
    assert [c.symbol for c in find_chords(score.replace(bars=bars))] == ["Bb", "Eb", "F7", "Bb"]


def test_a_lone_tune_gets_chords_that_hold_its_notes():
    score = tune(8, seed=2, tonic=60)
    made = chords(score)
    assert made.fitted and made.said == ("chords fitted under the tune",)
    chart = tune_chart(score)
    assert len(chart) == 8 and chart[-1][0].symbol == "C"
    held = []
    for bar, (chord,) in enumerate(chart):
        begin = int(score.bars["onset"][bar])
        inside = score.notes[(score.notes["onset"] >= begin) & (score.notes["onset"] < begin + 1920)]
        held.append(np.isin(inside["pitch"] % 12, chord.classes).mean())
    assert np.mean(held) > 0.5  # chance with triads of the scale: 3 of 7
    assert [m.kind for m in made.score.marks].count("chord") == len(made.chords)


@pytest.mark.parametrize("suffix", [".musicxml", ".abc", ".mid"])
def test_symbols_travel_in_the_file(tmp_path, suffix):
    made = chords(block_chords(["C", "F", "G7", "C/E"], bars=4))
    path = save(made.score, tmp_path / f"a{suffix}")
    if suffix == ".mid":
        assert all(s.encode() in path.read_bytes() for s in ("F", "G7", "C/E"))  # as markers
        return
    assert [m.value for m in load(path).marks if m.kind == "chord"] == ["C", "F", "G7", "C/E"]


def test_a_lead_sheet_is_the_melody_alone():
    score = block_chords(["C", "G7"], bars=2)
    made = chords(score, lead_sheet=True)
    assert len(made.score.parts) == 1 and len(made.score.notes) == 2
    assert [m.value for m in made.score.marks if m.kind == "chord"] == ["C", "G7"]


def test_on_the_command_line(tmp_path, capsys):
    path = save(block_chords(["C", "F", "G7", "C"], bars=2), tmp_path / "a.musicxml")
    assert main(["chords", str(path), "-o", str(tmp_path / "b.musicxml")]) == 0
    assert capsys.readouterr().out == "| C F | G7 C |\n"
    assert [m.value for m in load(tmp_path / "b.musicxml").marks if m.kind == "chord"] == ["C", "F", "G7", "C"]


def test_music_without_pitches_has_no_chords():
    score = tune(2)
    with pytest.raises(InputError, match="No chords to find"):
        chords(score.replace(parts=(Part("Drums", 0, True),)))


def played(shift, *, jitter=6, seed=0):
    """Eighths and quarters over a chord on every beat, ``shift`` ticks late and played unevenly."""
    rng = np.random.default_rng(seed)
    tune_onset = np.concatenate([b * 1920 + np.array([0, 240, 480, 960, 1440, 1680]) for b in range(8)])
    chord_onset = np.repeat(np.arange(32) * 480, 3)
    onset = np.r_[tune_onset, chord_onset] + shift + rng.integers(-jitter, jitter + 1, len(tune_onset) + len(chord_onset))
    part = np.r_[np.zeros(len(tune_onset), int), np.ones(len(chord_onset), int)]
    pitch = np.r_[np.tile([77, 79, 81, 77, 74, 76], 8), np.tile([41, 57, 60], 32)]
    notes = notes_array(onset=np.maximum(onset, 0), duration=np.where(part == 0, 170, 400), pitch=pitch, part=part, velocity=80)
    order = np.argsort(notes["onset"], kind="stable")
    return Score(notes[order], regular_bars(9, 480, 4, 4), (Part("Melody", 0), Part("Piano", 0)), 480, timing="performed")


@pytest.mark.parametrize("shift", [0, 45, 120, 165, 480 - 60])
def test_a_lead_sheet_of_played_music_is_on_its_beat_in_plain_note_values(shift):
    made = chords(played(shift), lead_sheet=True)
    score, unit = made.score, made.score.ticks_per_quarter
    assert ((score.notes["onset"] * 4) % unit == 0).all() and ((score.notes["duration"] * 4) % unit == 0).all()
    first = score.notes["onset"][:6] - score.notes["onset"][0]
    assert (first * 2 / unit).tolist() == [0, 1, 2, 4, 6, 7]
    assert (score.notes["onset"] * 2 % unit == 0).all()  # on quarters and eighths
    assert (score.bars["key"] == -1).all()
    assert any(s.startswith("quantized: ") and "onsets moved to the grid" in s for s in made.said)
    assert any("its beat: brought to it" in s for s in made.said) == (shift > 0)


def test_a_lead_sheet_of_a_notated_score_keeps_its_notes_and_gains_a_key():
    score = played(0, jitter=0).replace(timing="notated")
    made = chords(score, lead_sheet=True)
    assert np.array_equal(made.score.notes["onset"], score.notes["onset"][score.notes["part"] == 0])
    assert not any("quantized" in s for s in made.said) and (made.score.bars["key"] == -1).all()


def test_triplets_stay_triplets_and_notes_too_short_are_said():
    onset = np.array([0, 8, 16, 24, 25, 36])
    notes, lost = in_note_values(notes_array(onset=onset, duration=[7, 7, 7, 1, 10, 12], pitch=60, part=0))
    assert notes["onset"].tolist() == [0, 8, 16, 24, 36] and notes["duration"].tolist() == [8, 8, 8, 12, 12]
    assert lost == "1 note too short for a lead sheet left out"

"""Chords found in what sounds, or fitted under a lone tune, and written where each format has them."""

import numpy as np
import pytest

from music import tune
from zhiyin.app.cli.main import main
from zhiyin.errors import InputError
from zhiyin.formats.catalog import load, save
from zhiyin.inference.chords import chords, tune_chart
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

import numpy as np
import pytest

from music import SCALE, tune
from zhiyin.errors import InputError
from zhiyin.measures.key import (
    PROFILES,
    fifths_of,
    find_key,
    key_scores,
    key_tonic_name,
    last_bass,
    tonic_of,
    with_keys,
)
from zhiyin.measures.texture import density, polyphony, register
from zhiyin.score import UNKNOWN_KEY, Part, Score, notes_array, regular_bars


def scale_score(tonic: int, steps=SCALE) -> Score:
    pitches = [tonic + s for s in steps] + [tonic + 12, tonic]
    notes = notes_array(onset=np.arange(len(pitches)) * 24, duration=24, pitch=pitches)
    notes["duration"][[0, -1]] = 48
    return Score(notes, regular_bars(3, 24), (Part(),), 24)


@pytest.mark.parametrize("tonic", range(60, 72))
def test_a_scale_is_in_its_key(tonic):
    assert (find_key(scale_score(tonic)).tonic, find_key(scale_score(tonic)).mode) == (tonic % 12, 0)
    minor = find_key(scale_score(tonic, (0, 2, 3, 5, 7, 8, 11)))
    assert (minor.tonic, minor.mode) == (tonic % 12, 1)


def test_names_and_signatures_agree():
    for tonic in range(12):
        for mode in (0, 1):
            assert tonic_of(fifths_of(tonic, mode), mode) == tonic
    assert key_tonic_name(-3, 1) == "C" and key_tonic_name(-3, 0) == "Eb"


def test_a_profile_fits_itself_best():
    for name in PROFILES:
        scores = key_scores(np.array(PROFILES[name][1]), name)
        assert scores.max() == pytest.approx(1.0) == scores[1, 0]


def test_a_bare_signature_gets_its_mode_and_keeps_its_fifths():
    score = scale_score(62, (0, 2, 3, 5, 7, 8, 10))
    bars = score.bars.copy()
    bars["key"] = -1
    filled = with_keys(score.replace(bars=bars))
    assert set(filled.bars["key"]) == {-1} and set(filled.bars["mode"]) == {1}
    none = with_keys(score)
    assert UNKNOWN_KEY not in none.bars["key"]


def test_the_last_bass_note_can_be_left_out_and_settles_a_near_tie():
    pitches = [60, 62, 64, 65, 67, 69, 71, 72, 69]  # one scale, ended on its sixth degree
    notes = notes_array(onset=np.arange(9) * 24, duration=24, pitch=pitches)
    score = Score(notes, regular_bars(3, 24), (Part(),), 24)
    assert last_bass(score) == 69
    assert find_key(score, profile="temperley", final_bass=0.0).name == "C major"
    assert find_key(score, final_bass=0.5).name == "A minor"


def test_drums_have_no_key():
    score = Score(notes_array([(0, 10, 36)]), regular_bars(1, 24), (Part(drums=True),), 24)
    with pytest.raises(InputError, match="No key can be found. Expected pitched notes"):
        find_key(score)
    assert with_keys(score).bars["key"][0] == UNKNOWN_KEY


def test_texture_counts():
    score = tune(4, parts=2)
    assert density(score) == pytest.approx(len(score.notes) / 16)
    assert polyphony(score) == pytest.approx(2.0)
    assert register(score) == pytest.approx(score.notes["pitch"].mean())


@pytest.mark.slow
def test_bach_chorales_are_mostly_in_the_keys_their_files_state():
    """About two in three; most files state "major" even where a minor key sounds (benchmarks/results/key.json)."""
    from music21 import corpus

    from zhiyin.formats.catalog import load

    right = n = 0
    for path in [p for p in corpus.getPaths() if "bach" in p.parts and p.suffix == ".mxl"][:70]:
        score = load(path)
        stated = score.bars[score.bars["mode"] >= 0]
        if len(stated):
            key = find_key(score)
            n += 1
            right += (key.tonic, key.mode) == (
                tonic_of(int(stated["key"][0]), int(stated["mode"][0])),
                stated["mode"][0],
            )
    assert n >= 30
    assert right / n >= 0.6

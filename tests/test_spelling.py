"""Names of pitches from key and context. Oracle: music21's corpus, whose spellings are the editors'."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from zhiyin.score.score import UNSPELLED, Part, Score, notes_array, regular_bars
from zhiyin.score.spelling import key_of_notes, likely_key, spell, windowed
from zhiyin.score.spelling_features import SPELLING_FEATURES, neighbours, spelling_features

_NAMES = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}


def _spelled(pitches: list[int], key: int | None) -> list[int]:
    notes = notes_array(onset=np.arange(len(pitches)) * 24, duration=24, pitch=pitches)
    columns = {} if key is None else {"key": key}
    score = Score(notes, regular_bars(len(pitches) // 4 + 1, 24, **columns), (Part(),), 24)
    return spell(score).notes["spelling"].astype(int).tolist()


@pytest.mark.parametrize("key", range(-6, 7))
def test_a_scale_is_spelled_as_its_signature_says(key: int) -> None:
    tonic = 60 + (key * 7) % 12
    steps, fifths = [0, 2, 4, 5, 7, 9, 11, 12] * 2, [0, 2, 4, -1, 1, 3, 5, 0] * 2
    assert _spelled([tonic + s for s in steps], key) == [key + f for f in fifths]


def test_a_scale_without_a_signature_is_spelled_alike() -> None:
    assert _spelled([62, 64, 66, 67, 69, 71, 73, 74], None) == [2, 4, 6, 1, 3, 5, 7, 2]


def test_the_leading_note_of_a_minor_key_is_raised() -> None:
    assert 8 in _spelled([69, 68, 69, 71, 72, 71, 69, 68, 69, 64, 68, 69], 0)
    assert 6 in _spelled([67, 66, 67, 69, 70, 69, 67, 66, 67, 62, 66, 67], -2)


def test_given_spellings_and_drums_are_left_alone() -> None:
    notes = notes_array(
        onset=[0, 24, 48], duration=24, pitch=[61, 61, 38], part=[0, 0, 1], spelling=[-5, UNSPELLED, UNSPELLED]
    )
    score = Score(notes, regular_bars(1, 24, key=2), (Part(), Part("Kit", 0, True)), 24)
    assert spell(score).notes["spelling"].tolist() == [-5, 7, UNSPELLED]


def test_features_have_their_width_and_an_empty_score_passes() -> None:
    notes = notes_array([(0, 24, 60), (24, 24, 62)])
    score = Score(notes, regular_bars(1, 24), (Part(),), 24)
    assert spelling_features(score, *key_of_notes(score)).shape == (2, SPELLING_FEATURES)
    empty = Score(notes_array(), regular_bars(1, 24), (Part(),), 24)
    assert spell(empty) is empty


def _chords(key: int, up: int) -> Score:
    rng = np.random.default_rng(1)
    notes = notes_array(onset=np.repeat(np.arange(40) * 24, 3), duration=24, pitch=rng.integers(48, 76, 120) + up)
    return Score(notes, regular_bars(10, 24, key=key), (Part(),), 24)


def test_a_transposed_piece_looks_the_same_but_for_its_height_and_signature() -> None:
    low, high = _chords(0, 0), _chords(2, 2)
    assert (low.notes["pitch"] + 2 == high.notes["pitch"]).all()
    seen = [spelling_features(s, *key_of_notes(s)) for s in (low, high)]
    differing = np.flatnonzero((seen[0] != seen[1]).any(axis=0))
    first = SPELLING_FEATURES - 7 - 2 - 1 - 15  # the signature's columns
    assert differing.tolist() == [first + 7, first + 9, SPELLING_FEATURES - 7]


def test_neighbours_are_the_nearest_in_pitch_within_the_part() -> None:
    notes = notes_array(
        onset=[0, 0, 24, 24, 24, 48], duration=24, pitch=[60, 72, 59, 70, 65, 64], part=[0, 0, 0, 0, 1, 0]
    )
    score = Score(notes, regular_bars(1, 24), (Part(), Part()), 24)
    following, previous = neighbours(score.notes)
    pitch = score.notes["pitch"]
    found = {int(p): (int(pitch[f]) if f >= 0 else None, int(pitch[b]) if b >= 0 else None)
             for p, f, b in zip(pitch, following, previous, strict=True)}  # fmt: skip
    assert found == {60: (59, None), 72: (70, None), 59: (64, 60), 70: (64, 72), 65: (None, None), 64: (None, 59)}


def test_a_missing_signature_is_the_one_that_fits_best() -> None:
    notes = notes_array(onset=np.arange(7) * 24, duration=24, pitch=[63, 65, 67, 68, 70, 72, 74])
    assert likely_key(notes) == -3
    score = Score(notes, regular_bars(2, 24), (Part(),), 24)
    key, given = key_of_notes(score)
    assert key.tolist() == [-3] * 7
    assert not given.any()
    assert windowed(score.notes["pitch"], key).tolist() == [-3, -1, 1, -4, -2, 0, 2]


def test_a_change_of_signature_changes_the_names() -> None:
    bars = regular_bars(8, 24, key=[4] * 4 + [-4] * 4)
    pitches = [64, 66, 68, 69, 71, 73, 75, 76] * 2 + [68, 70, 72, 73, 75, 77, 79, 80] * 2
    notes = notes_array(onset=np.arange(32) * 24, duration=24, pitch=pitches)
    names = spell(Score(notes, bars, (Part(),), 24)).notes["spelling"].tolist()
    assert names == [4, 6, 8, 3, 5, 7, 9, 4] * 2 + [-4, -2, 0, -5, -3, -1, 1, -4] * 2


def test_every_name_sounds_its_pitch() -> None:
    rng = np.random.default_rng(0)
    pitches = rng.integers(30, 100, 300).tolist()
    names = np.array(_spelled(pitches, -3))
    assert ((names * 7 - np.array(pitches)) % 12 == 0).all()


@pytest.mark.slow
def test_bach_chorales_come_back_to_98_5_percent() -> None:
    import music21

    right = total = 0
    for name in [n for n in music21.corpus.getComposer("bach") if "bwv" in str(n)][:30]:
        score, names = _corpus(music21.corpus.parse(name))
        right += int(
            (spell(score).notes["spelling"] == names[np.lexsort((names[:, 2], names[:, 1], names[:, 0])), 3]).sum()
        )
        total += len(names)
    assert total > 5000
    assert right / total > 0.985


def _corpus(parsed) -> tuple[Score, np.ndarray]:
    rows = []
    for i, part in enumerate(parsed.parts):
        for note in part.recurse().notes:
            onset = int(Fraction(note.getOffsetInHierarchy(part)) * 24)
            rows += [(onset, i, p.midi, _NAMES[p.step] + 7 * int(p.alter)) for p in note.pitches]
    table = np.array(rows)
    notes = notes_array(onset=table[:, 0], duration=24, pitch=table[:, 2], part=table[:, 1])
    key = parsed.recurse().getElementsByClass("KeySignature")[0].sharps
    bars = regular_bars(int(table[:, 0].max()) // 96 + 1, 24, key=key)
    return Score(notes, bars, tuple(Part() for _ in parsed.parts), 24), table

"""Names of pitches from key and context. Oracle: music21's corpus, whose spellings are the editors'."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from zhiyin.score.score import UNSPELLED, Part, Score, notes_array, regular_bars
from zhiyin.score.spelling import FEATURES, context_features, key_of_notes, spell

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
    assert context_features(score, key_of_notes(score)).shape == (2, FEATURES)
    empty = Score(notes_array(), regular_bars(1, 24), (Part(),), 24)
    assert spell(empty) is empty


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

import time

import numpy as np
import pytest

from zhiyin.errors import InputError
from zhiyin.provenance.fingerprint import (
    containment,
    fingerprints,
    line_prints,
    outer_line,
    piece_prints,
    winnow,
    without_repeats,
)


def melody(notes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    onset = np.cumsum(rng.choice([6, 12, 24, 48], notes))
    return onset, 60 + np.cumsum(rng.choice([-4, -3, -2, -1, 1, 2, 3, 4], notes))


def test_transposed_and_twice_as_slow_is_the_same():
    onset, pitch = melody(60, 1)
    assert np.array_equal(fingerprints(onset, pitch), fingerprints(onset * 2 + 17, pitch - 5))


def test_one_other_pitch_changes_exactly_the_grams_that_hold_it():
    onset, pitch = melody(60, 2)
    changed = pitch.copy()
    changed[30] += 1
    different = np.flatnonzero(fingerprints(onset, pitch) != fingerprints(onset, changed))
    assert different.tolist() == list(range(23, 31))


def test_rhythm_matters():
    onset, pitch = melody(20, 3)
    even = np.arange(20) * 24
    assert not np.isin(fingerprints(onset, pitch), fingerprints(even, pitch)).any()


def test_short_lines_have_no_grams():
    onset, pitch = melody(7, 4)
    assert len(fingerprints(onset, pitch)) == 0
    assert len(line_prints(onset[:0], pitch[:0]).hashes) == 0


def test_strangers_share_nothing():
    ours = fingerprints(*melody(500, 5))
    theirs = fingerprints(*melody(500, 6))
    assert containment(ours, theirs) == 0.0
    assert containment(ours, ours) == 1.0


def test_winnowing_keeps_one_of_every_window_and_shared_passages():
    hashes = fingerprints(*melody(300, 7))
    kept = winnow(hashes, 4)
    assert np.diff(kept).max() <= 4
    assert len(kept) < 0.6 * len(hashes)
    passage = winnow(hashes[100:140], 4) + 100
    assert len(np.intersect1d(hashes[passage], hashes[kept])) >= 8


def test_positions_point_at_the_first_note_of_each_gram():
    onset, pitch = melody(80, 8)
    pitch[10] = pitch[9]
    prints = line_prints(onset, pitch, window=1)
    kept = without_repeats(pitch)
    assert 10 not in kept
    for value, position in zip(prints.hashes, prints.positions, strict=True):
        i = int(np.flatnonzero(kept == position)[0])
        notes = kept[i : i + 8]
        assert fingerprints(onset[notes], pitch[notes])[0] == value


def test_outer_lines_of_a_chorale_like_texture():
    onset = np.array([0, 0, 0, 24, 24, 36, 48])
    duration = np.array([24, 48, 24, 24, 24, 12, 24])
    pitch = np.array([72, 48, 64, 74, 60, 62, 76])
    assert pitch[outer_line(onset, duration, pitch)].tolist() == [72, 74, 76]
    assert pitch[outer_line(onset, duration, pitch, top=False)].tolist() == [48, 76]


def test_top_and_bottom_lines_do_not_answer_for_each_other():
    onset, pitch = melody(50, 9)
    prints = piece_prints(onset, np.full(50, 6), pitch)
    assert len(np.unique(prints.hashes)) == len(prints.hashes)
    assert len(prints.hashes) == 2 * len(line_prints(onset, pitch).hashes)


def test_errors_say_what_is_wrong():
    with pytest.raises(InputError, match=r"one pitch for each onset. Expected 3 pitches. Received 2"):
        fingerprints(np.arange(3), np.arange(2))
    with pytest.raises(InputError, match=r"forward in time.*a fall at note 2"):
        fingerprints(np.array([0, 4, 2]), np.array([60, 61, 62]))
    with pytest.raises(InputError, match="n ≥ 3"):
        fingerprints(np.arange(9), np.arange(9), n=2)


def test_two_hundred_pieces_a_second():
    pieces = [melody(500, seed) for seed in range(40)]
    started = time.perf_counter()
    for onset, pitch in pieces:
        piece_prints(onset, np.full(500, 6), pitch)
    assert len(pieces) / (time.perf_counter() - started) > 100

"""Hands of keyboard parts."""

from __future__ import annotations

import numpy as np

from zhiyin.score.score import Part, Score, notes_array, regular_bars
from zhiyin.score.staves import STAVES_FEATURES, hands, split_staves, staves_features


def _piano(right: list[list[int]], left: list[list[int]]) -> tuple[Score, np.ndarray]:
    """A score of chords in quarters, and the staves in the score's order."""
    rows = [{"onset": 24 * i, "duration": 24, "pitch": p, "staff": s} for s, hand in ((1, right), (2, left))
            for i, chord in enumerate(hand) for p in chord]  # fmt: skip
    given = Score(notes_array(rows), regular_bars(max(len(right), len(left)) // 4 + 1, 24), (Part("Piano"),), 24)
    notes = given.notes.copy()
    notes["staff"] = 0
    return given.replace(notes=notes), given.notes["staff"]


def test_a_melody_over_an_alberti_bass_is_split_between_the_hands() -> None:
    right = [[72], [76], [79], [77], [76], [74], [72], [71]] * 3
    left = [[48], [55], [52], [55]] * 6
    score, staves = _piano(right, left)
    assert (split_staves(score, 0) == staves).mean() > 0.97


def test_hands_do_not_cross_and_do_not_stretch_past_reason() -> None:
    rng = np.random.default_rng(3)
    right = [sorted(rng.choice(np.arange(64, 80), 3, replace=False).tolist()) for _ in range(40)]
    left = [sorted(rng.choice(np.arange(40, 54), 2, replace=False).tolist()) for _ in range(40)]
    score, staves = _piano(right, left)
    found, notes = split_staves(score, 0), score.notes
    assert (found == staves).mean() > 0.97
    for onset in np.unique(notes["onset"]):
        here = notes["onset"] == onset
        upper, lower = notes["pitch"][here & (found == 1)], notes["pitch"][here & (found == 2)]
        if len(upper) and len(lower):
            assert upper.min() > lower.max()


def test_only_the_asked_part_counts_and_empty_parts_pass() -> None:
    score, _ = _piano([[72], [74]], [[48], [50]])
    assert split_staves(score.replace(parts=(Part("Piano"), Part("Other"))), 1).shape == (0,)
    assert staves_features(score.notes, 24).shape == (4, STAVES_FEATURES)
    assert set(split_staves(score, 0).tolist()) <= {1, 2}


def test_each_chord_is_cut_where_the_odds_are_best() -> None:
    rng = np.random.default_rng(5)
    onset = np.sort(rng.integers(0, 40, 200)) * 24
    score = Score(notes_array(onset=onset, duration=24, pitch=rng.integers(30, 90, 200)), regular_bars(10, 24), (Part(),), 24)
    top = rng.normal(size=200)
    found = hands(score.notes, top)
    for time in np.unique(onset):
        here = score.notes["onset"] == time
        left = int(np.argmin(np.r_[0, np.cumsum(top[here])]))
        assert found[here].tolist() == [2] * left + [1] * (int(here.sum()) - left)

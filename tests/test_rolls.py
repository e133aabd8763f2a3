"""Metrics of rolls on bars whose values can be told by hand."""

import numpy as np
import pytest

from zhiyin.encoding.bar_roll import LOWEST
from zhiyin.training.rolls import (
    features,
    nearest,
    neighbourhoods,
    qualified_notes,
    roll_statistics,
    shuffled,
    tonal_distance,
)


def roll(*notes, parts=2, bars=1):
    """notes: (part, slot, sixteenths, pitch)."""
    out = np.zeros((1, parts, bars, 16, 72, 2), dtype=np.uint8)
    flat = out.reshape(1, parts, bars * 16, 72, 2)
    for part, at, size, pitch in notes:
        flat[0, part, at : at + size, pitch - LOWEST, 0] = 1
        flat[0, part, at, pitch - LOWEST, 1] = 1
    return out


def test_statistics_by_hand():
    one = roll((0, 0, 4, 60), (0, 4, 2, 64), (0, 6, 3, 72))
    found = roll_statistics(one)
    assert found["empty_bars"] == 0.5 and found["used_pitch_classes"] == 2 and found["qualified_notes"] == pytest.approx(2 / 3)
    assert found["pitch_class_entropy"] == pytest.approx(-(7 / 9) * np.log2(7 / 9) - (2 / 9) * np.log2(2 / 9))
    assert qualified_notes(roll((0, 0, 2, 60), (0, 2, 2, 60))) == 0.0  # struck again: two short notes


def test_tonal_distance_knows_fifths_from_tritones():
    same, fifth, tritone = (tonal_distance(roll((0, 0, 16, 60), (1, 0, 16, p))) for p in (72, 67, 66))
    assert same == pytest.approx(0, abs=1e-9) and 0 < fifth < tritone
    assert tonal_distance(roll((0, 0, 8, 60), (1, 8, 8, 66))) == 0.0  # never together


def test_neighbourhoods_of_a_set_with_itself_and_of_strangers():
    rng = np.random.default_rng(0)
    real, other = rng.normal(size=(200, 6)), rng.normal(size=(200, 6))
    same = neighbourhoods(real, other)
    far = neighbourhoods(real, other + 20)
    collapsed = neighbourhoods(real, np.repeat(other[:1], 200, 0))
    assert same["precision"] > 0.8 and same["recall"] > 0.8 and 0.7 < same["density"] < 1.4 and same["coverage"] > 0.8
    assert far == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}
    assert collapsed["coverage"] < 0.2 and collapsed["recall"] < 0.1


def test_nearest_and_the_control():
    rng = np.random.default_rng(0)
    rolls = (rng.random((12, 2, 2, 16, 72, 2)) < 0.05).astype(np.uint8)
    assert nearest(rolls, rolls).max() == pytest.approx(0, abs=1e-6) and nearest(rolls[:3], rolls[3:]).min() > 0.5
    mixed = shuffled(rolls, 1)
    assert mixed.sum() == rolls.sum() and not np.array_equal(mixed, rolls)
    assert roll_statistics(mixed)["empty_bars"] == roll_statistics(rolls)["empty_bars"] and features(rolls).shape[0] == 12

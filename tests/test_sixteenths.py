"""The grid of sixteenths: there and back, what it counts as lost, bars that it has no slots for."""

import numpy as np
import pytest

from music import tune
from zhiyin.encoding import EncodedPiece, decode, encode
from zhiyin.encoding.fields import BAR_COLUMN
from zhiyin.encoding.sixteenths import FIRST_PITCH, HOLD, NONE, REST, bar_lengths, lines_of, pitched_parts, rows_of
from zhiyin.errors import EncodingError
from zhiyin.score import Part, Score, notes_array, regular_bars


def score_of(notes, bars=2, meter=(4, 4)):
    return Score(notes, regular_bars(bars, 24, *meter), (Part("", 0),), 24, timing="notated")


def test_classes_are_what_the_page_says():
    score = score_of(notes_array([(0, 12, 60), (12, 6, 62), (48, 60, 64)]))
    lines = lines_of(encode(score)[0], [0])
    bar = lines.grid[0, :, 0].tolist()
    assert bar[:4] == [FIRST_PITCH + 60, HOLD, FIRST_PITCH + 62, REST]
    assert bar[8:] == [FIRST_PITCH + 64, *[HOLD] * 7] and lines.grid[1, :2, 0].tolist() == [HOLD, HOLD]
    assert lines.grid[1, 2, 0] == REST and lines.lost.sum() == 0 and lines.struck[:, 0].tolist() == [3, 0]


@pytest.mark.parametrize(("meter", "length"), [((4, 4), 16), ((3, 4), 12), ((6, 8), 12), ((2, 4), 8)])
def test_tunes_come_back(meter, length):
    for seed in range(8):
        piece = encode(tune(8, seed=seed, parts=2, meter=meter))[0]
        lines = lines_of(piece, [0, 1])
        assert (lines.length == length).all() and not lines.lost.any()
        assert (lines.grid[:, length:] == NONE).all()
        rows = rows_of(lines.grid, lines.length, piece.bars)
        assert np.array_equal(rows[:, :5], piece.rows[:, :5])
        decode(EncodedPiece(rows, piece.bars, piece.programs, piece.controls))


def test_what_a_line_cannot_say_is_counted():
    chord = score_of(notes_array([(0, 24, 60), (0, 24, 64), (24, 24, 65)]))
    overlap = score_of(notes_array([(0, 48, 60), (24, 24, 64)]))
    triplets = score_of(notes_array([(0, 8, 60), (8, 8, 62), (16, 8, 64)]))
    assert [lines_of(encode(s)[0], [0]).lost.sum() for s in (chord, overlap, triplets)] == [1, 1, 2]
    assert lines_of(encode(chord)[0], [0]).grid[0, 0, 0] == FIRST_PITCH + 64


def test_bars_without_slots():
    piece = encode(score_of(notes_array([(0, 24, 60)]), meter=(5, 4)))[0]
    assert bar_lengths(piece.bars).tolist() == [0, 0]
    with pytest.raises(EncodingError, match="Grid and bars differ. Expected 2 bars of 8, 12, 16 sixteenths"):
        rows_of(np.zeros((2, 16, 1), dtype=np.uint8), np.array([16, 16]), piece.bars)


def test_any_grid_is_a_score():
    rng = np.random.default_rng(3)
    piece = encode(tune(6, meter=(3, 4)))[0]
    length = bar_lengths(piece.bars)
    for _ in range(20):
        grid = rng.choice([REST, HOLD, HOLD, 62, 129], (6, 16, 2)).astype(np.uint8)
        grid[:, 12:] = NONE
        rows = rows_of(grid, length, piece.bars)
        score = decode(EncodedPiece(rows, piece.bars, np.array([0, 40], dtype=np.uint8), piece.controls))
        assert score.bar_count == 6 and len(rows) == ((grid >= FIRST_PITCH) & (grid != NONE)).sum()
        again = lines_of(EncodedPiece(rows, piece.bars, np.array([0, 40], dtype=np.uint8), piece.controls), [0, 1])
        first = np.maximum.accumulate((grid >= FIRST_PITCH) & (grid != NONE), axis=0)
        assert again.struck.sum() == len(rows) and first.any()


def test_drums_are_no_line():
    assert pitched_parts(np.array([0, 128, 40])) == [0, 2]
    assert BAR_COLUMN["length"] == 0

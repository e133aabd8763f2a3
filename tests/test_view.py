"""What the encoder sees: keyless, nameless columns; hidden rows that show nothing; padding."""

from __future__ import annotations

import numpy as np

from music import tune
from zhiyin.encoding import encode
from zhiyin.encoding.view import HIDDEN_SIZES, INTERVALS, MIDDLE, OVER, VIEW_SIZES, look, pad
from zhiyin.score import Part

NAMES = list(VIEW_SIZES)


def piece(**named):
    return encode(tune(8, **named))[0]


def column(view, name):
    return view.columns[:, NAMES.index(name)]


def test_every_column_stays_in_its_size():
    for seed in range(4):
        p = piece(seed=seed, parts=3)
        view = look(p.rows, p.bars, p.programs)
        for name, size in VIEW_SIZES.items():
            assert column(view, name).min() >= -1 and column(view, name).max() < size, name
        for values, size in zip(view.targets.T, HIDDEN_SIZES.values()):
            assert values.min() >= 0 and values.max() < size


def test_a_transposed_piece_looks_the_same():
    p, q = piece(tonic=60), piece(tonic=67)
    a, b = look(p.rows, p.bars, p.programs), look(q.rows, q.bars, q.programs)
    assert (p.rows[:, 3] != q.rows[:, 3]).all()
    assert np.array_equal(a.columns, b.columns) and np.array_equal(a.time, b.time)
    up = look(p.rows, p.bars, p.programs, shift=3)
    assert (column(up, "pitch") - column(a, "pitch") == 3).all()
    assert np.array_equal(column(up, "interval"), column(a, "interval"))


def test_velocity_tempo_instrument_part_number_key_and_controls_do_not_show():
    score = tune(8, parts=2)
    bars = score.bars.copy()
    bars["tempo_qpm"], bars["key"], bars["mode"] = 60.0, -3, 1
    notes = score.notes.copy()
    notes["velocity"] = 0
    other = score.replace(notes=notes, bars=bars, parts=(Part("x", 0), Part("y", 73)))
    p, q = encode(score)[0], encode(other)[0]
    assert not np.array_equal(p.bars, q.bars) and not np.array_equal(p.programs, q.programs)
    a, b = look(p.rows, p.bars, p.programs), look(q.rows, q.bars, q.programs)
    assert np.array_equal(a.columns, b.columns)


def test_the_columns_say_what_the_notes_do():
    p = piece(parts=2)
    view = look(p.rows, p.bars, p.programs)
    pitch = p.rows[:, 3].astype(int)
    assert (column(view, "pitch") - MIDDLE == pitch - int(np.median(pitch))).all()
    for part in (0, 1):
        at = np.flatnonzero(p.rows[:, 2] == part)
        steps = np.clip(np.diff(pitch[at]), -INTERVALS, INTERVALS) + INTERVALS
        assert column(view, "interval")[at[0]] == -1
        assert np.array_equal(column(view, "interval")[at[1:]], steps)
    together = p.rows[:, :2].astype(int) @ [1000, 1]
    lowest = np.array([pitch[together == t].min() for t in together])
    assert np.array_equal(column(view, "over"), np.minimum(pitch - lowest, OVER))
    assert (column(view, "gap")[1:] == 0).tolist() == (np.diff(together) == 0).tolist()


def test_drum_keys_have_their_own_half():
    score = tune(8)
    p = encode(score.replace(parts=(Part("Drums", 0, True),)))[0]
    view = look(p.rows, p.bars, p.programs)
    assert np.array_equal(column(view, "pitch"), 128 + p.rows[:, 3])
    assert (column(view, "interval") == -1).all() and (column(view, "over") == -1).all()


def test_what_hidden_rows_hold_does_not_show():
    p = piece(parts=2)
    hidden = np.zeros(len(p.rows), dtype=bool)
    hidden[5:9] = True
    changed = p.rows.copy()
    changed[5:9, 3:5] = changed[5:9, 3:5] + [0, 2]
    changed[6, 1] += 1
    a, b = (look(rows, p.bars, p.programs, hidden=hidden) for rows in (p.rows, changed))
    assert np.array_equal(a.columns, b.columns) and np.array_equal(a.time, b.time)
    assert (a.columns[hidden, 0] == 1).all() and (a.columns[hidden, 1:] == -1).all()
    assert (a.targets[5:9, 3] != b.targets[5:9, 3]).all()
    assert (a.time[5:9] == a.time[4]).all()


def test_padding_is_marked():
    p = piece()
    views = [look(p.rows[:7], p.bars, p.programs), look(p.rows[:3], p.bars, p.programs)]
    columns, time = pad(views)
    assert columns.shape == (2, 7, len(VIEW_SIZES)) and time.shape == (2, 7)
    assert (columns[1, 3:] == -1).all() and (columns[1, :3, 0] == 0).all()

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.encoding.fields import END, MAX_BAR_STEP
from zhiyin.encoding.layout import GIVEN, LOOKAHEAD, NO_PITCH, START, STEP_INPUTS, lay_out


def some_rows(seed: int, bars: int = 20) -> np.ndarray:
    rng = np.random.default_rng(seed)
    keys = np.unique(
        np.stack(
            [rng.integers(0, bars, 120), rng.integers(0, 96, 120), rng.integers(0, 4, 120), rng.integers(40, 90, 120)],
            -1,
        ),
        axis=0,
    )
    return np.hstack([keys, rng.integers(0, 16, (len(keys), 2))]).astype(np.int16)


def test_nothing_given_is_the_rows_in_order():
    rows = some_rows(0)
    s = lay_out(rows)
    assert s.inputs[0, 6] == START and len(s.inputs) == len(rows) + 1
    assert (s.inputs[1:, 1:6] == rows[:, 1:]).all()
    assert s.scored.all()
    assert s.targets[-1].tolist() == [END, 0, 0, 0, 0, 0]
    assert np.cumsum(s.targets[:-1, 0]).tolist() == rows[:, 0].tolist()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 0.95), st.sampled_from(["interleaved", "spans"]))
def test_written_rows_are_all_there_in_order(seed, share, layout):
    rows = some_rows(seed)
    given_mask = np.random.default_rng(seed).random(len(rows)) < share
    s = lay_out(rows, given_mask, layout=layout)
    targets = s.targets[s.scored][:-1]
    assert np.array_equal(targets[:, 1:], rows[~given_mask][:, 1:])
    assert np.array_equal(np.cumsum(targets[:, 0]), rows[~given_mask][:, 0])
    assert s.inputs[:, 0].max() < STEP_INPUTS


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6))
def test_given_rows_run_ahead_by_the_lookahead(seed):
    rows = some_rows(seed)
    given_mask = rows[:, 2] == 0
    s = lay_out(rows, given_mask)
    seen = s.inputs[:, 6] == GIVEN
    for t in np.flatnonzero(s.scored)[:-1]:
        cursor = s.inputs[t, 8]
        due = (rows[given_mask][:, 0] <= cursor + LOOKAHEAD).sum()
        assert seen[: t + 1].sum() == due


def test_a_given_row_that_lies_ahead_is_nobodys_previous_pitch():
    rows = np.array([[0, 0, 0, 60, 5, 3], [0, 24, 0, 62, 5, 3], [1, 0, 0, 64, 5, 3], [2, 0, 0, 72, 5, 3], [2, 0, 1, 48, 5, 3]])
    given = np.array([False, False, False, True, True])
    sequence = lay_out(rows, given)
    assert sequence.previous_pitch[:-1][sequence.scored[:-1]].tolist() == [NO_PITCH, 60, 62]
    assert sequence.inputs[1:, 6].sum() == 2


def test_previous_pitch_is_the_parts_last():
    rows = np.array(
        [[0, 0, 0, 60, 3, 0], [0, 0, 1, 48, 3, 0], [0, 24, 0, 62, 3, 0], [1, 0, 1, 50, 3, 0]], dtype=np.int16
    )
    assert lay_out(rows).previous_pitch.tolist() == [NO_PITCH, NO_PITCH, 60, 48, NO_PITCH]


def test_a_given_row_says_how_far_it_lies():
    rows = np.array([[0, 0, 0, 60, 3, 0], [1, 0, 1, 50, 3, 0]], dtype=np.int16)
    s = lay_out(rows, np.array([False, True]))
    assert s.inputs[1, 6] == GIVEN and s.inputs[1, 0] == END + 1 + MAX_BAR_STEP + 1


def test_unknown_layout_is_spans_or_interleaved():
    rows = some_rows(1)
    a, b = (lay_out(rows, rows[:, 2] == 0, layout=n) for n in ("interleaved", "spans"))
    assert not np.array_equal(a.inputs, b.inputs)
    assert pytest.approx(a.scored.sum()) == b.scored.sum()

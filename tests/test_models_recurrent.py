"""RNN, LSTM and GRU steps, derived by hand from the formulas on their concept pages."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zhiyin.models.gru import GRU
from zhiyin.models.lstm import LSTM
from zhiyin.models.recurrent import RecurrentSizes
from zhiyin.models.rnn import RNN

SIZES = RecurrentSizes(width=3, layers=2, hidden=5, dropout=0.0, head_hidden=4)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weights(trunk, layer: int):
    """W, U, b, b' of a layer as float64 arrays."""
    names = (f"weight_ih_l{layer}", f"weight_hh_l{layer}", f"bias_ih_l{layer}", f"bias_hh_l{layer}")
    return [getattr(trunk.layers, name).detach().double().numpy() for name in names]


def elman(x, h, c, w):
    matrix, recurrent, b, b2 = w
    return np.tanh(matrix @ x + b + recurrent @ h + b2), c


def lstm(x, h, c, w):
    matrix, recurrent, b, b2 = w
    i, f, g, o = np.split(matrix @ x + b + recurrent @ h + b2, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru(x, h, c, w):
    matrix, recurrent, b, b2 = w
    xr, xz, xn = np.split(matrix @ x + b, 3)
    hr, hz, hn = np.split(recurrent @ h + b2, 3)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    n = np.tanh(xn + r * hn)
    return (1 - z) * n + z * h, c


CELLS = [(RNN, elman), (LSTM, lstm), (GRU, gru)]


def by_hand(trunk, cell, x):
    """Outputs (T, D) of a trunk on x (T, D), step by step."""
    h, c = np.zeros((2, 5)), np.zeros((2, 5))
    out = []
    for row in x:
        for layer in range(2):
            h[layer], c[layer] = cell(row, h[layer], c[layer], weights(trunk, layer))
            row = h[layer]
        out.append(trunk.out.weight.detach().double().numpy() @ row)
    return np.array(out)


@pytest.mark.parametrize(("trunk_class", "cell"), CELLS)
def test_steps_follow_the_formulas(trunk_class, cell):
    torch.manual_seed(0)
    trunk = trunk_class(SIZES).eval()
    x = torch.randn(1, 6, 3)
    found, _ = trunk(x, torch.zeros(1, 6))
    np.testing.assert_allclose(found[0].detach().numpy(), by_hand(trunk, cell, x[0].double().numpy()), atol=1e-5)


@pytest.mark.parametrize(("trunk_class", "cell"), CELLS)
def test_row_by_row_equals_all_at_once(trunk_class, cell):
    torch.manual_seed(1)
    trunk = trunk_class(SIZES).eval()
    x, time = torch.randn(2, 5, 3), torch.zeros(2, 5)
    whole, last = trunk(x, time)
    state = trunk.initial_state(2)
    for t in range(5):
        h, state = trunk(x[:, t : t + 1], time[:, :1], state)
        torch.testing.assert_close(h[:, 0], whole[:, t], atol=1e-6, rtol=1e-5)
    assert state.keys() == last.keys()
    for name in state:
        assert state[name].shape == (2, 2, 5)
        torch.testing.assert_close(state[name], last[name], atol=1e-6, rtol=1e-5)


def test_forget_gates_start_open():
    bias = LSTM(SIZES).layers.bias_ih_l1
    assert (bias[5:10] == 1).all()
    assert not (bias[:5] == 1).any()

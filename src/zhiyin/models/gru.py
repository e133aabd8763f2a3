"""Gated recurrent unit: r, z = sigmoid(W x + U h + b), n = tanh(W x + b + r * (U h + b')),

h_t = (1 - z) * n + z * h_{t-1}.
"""

from __future__ import annotations

from torch import nn

from zhiyin.models.recurrent import RecurrentTrunk


class GRU(RecurrentTrunk):
    """GRU trunk."""

    cell = nn.GRU

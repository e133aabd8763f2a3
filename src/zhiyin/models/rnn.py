"""The Elman network: h_t = tanh(W x_t + b + U h_{t-1} + b'), stacked. Outputs are read from h by the field heads."""

from __future__ import annotations

from torch import nn

from zhiyin.models.recurrent import RecurrentTrunk


class RNN(RecurrentTrunk):
    """Elman trunk."""

    cell = nn.RNN

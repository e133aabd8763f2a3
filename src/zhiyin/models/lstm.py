"""Long short-term memory: gates i, f, o = sigmoid(W x + U h + b), candidate g = tanh(W x + U h + b),

c_t = f * c_{t-1} + i * g,   h_t = o * tanh(c_t).
"""

from __future__ import annotations

from torch import nn

from zhiyin.models.recurrent import RecurrentSizes, RecurrentTrunk


class LSTM(RecurrentTrunk):
    """LSTM trunk. Forget gates start open (bias 1), so that memory lasts from the first step."""

    cell = nn.LSTM
    state_names = ("state.h", "state.c")

    def __init__(self, sizes: RecurrentSizes) -> None:
        super().__init__(sizes)
        for layer in range(sizes.layers):
            bias = getattr(self.layers, f"bias_ih_l{layer}")
            nn.init.ones_(bias.data[sizes.hidden : 2 * sizes.hidden])

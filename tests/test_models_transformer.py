"""The Transformer trunk: causal, the same with and without its cache, positions relative on both clocks."""

from __future__ import annotations

import pytest
import torch

from zhiyin.errors import InputError
from zhiyin.models.layers.rotary import TwoClocks, rotate
from zhiyin.models.transformer import Transformer, TransformerSizes

SIZES = TransformerSizes(width=16, layers=2, heads=2, hidden=24, window=8)


def trunk(seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(SIZES).eval()


def bars(rows: int) -> torch.Tensor:
    """Times of rows that move on by a third of a bar."""
    return (torch.arange(rows) / 3)[None]


def test_a_row_does_not_see_later_rows():
    model, x = trunk(), torch.randn(1, 6, 16)
    changed = x.clone()
    changed[:, 4:] += 1
    before, after = model(x, bars(6))[0], model(changed, bars(6))[0]
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4], after[:, 4])


def run_with_cache(model: Transformer, x: torch.Tensor, time: torch.Tensor, slots: int) -> torch.Tensor:
    state = {name: value[:, :, :slots].clone() for name, value in model.initial_state(len(x)).items()}
    out = []
    for t in range(x.shape[1]):
        h, new = model(x[:, t : t + 1], time[:, t : t + 1], state, torch.tensor(t))
        for name in state:
            state[name][:, :, t % slots] = new[name][:, :, 0]
        out.append(h[:, 0])
    return torch.stack(out, 1)


def test_row_by_row_with_a_cache_equals_all_at_once():
    model, x, time = trunk(), torch.randn(2, 7, 16), bars(7).expand(2, -1)
    torch.testing.assert_close(run_with_cache(model, x, time, 8), model(x, time)[0], atol=1e-5, rtol=1e-4)


def test_a_full_cache_forgets_the_oldest_rows_only():
    model, x, time = trunk(), torch.randn(1, 12, 16), bars(12)
    slots = 4
    changed = x.clone()
    changed[:, 0] += 3
    one_layer = Transformer(TransformerSizes(width=16, layers=1, heads=2, hidden=24, window=8)).eval()
    before, after = (run_with_cache(one_layer, v, time, slots) for v in (x, changed))
    assert not torch.allclose(before[:, slots], after[:, slots])
    torch.testing.assert_close(before[:, slots + 1 :], after[:, slots + 1 :])
    assert torch.isfinite(run_with_cache(model, x, time, slots)).all()


def test_only_distances_matter_on_either_clock():
    clocks = TwoClocks(4, 8)
    q, k = torch.randn(1, 4, 1, 8), torch.randn(1, 4, 1, 8)

    def score(row: int, bar: float, later: int, bars_later: float) -> torch.Tensor:
        a = rotate(q, *clocks(torch.tensor([row + later]), torch.tensor([[bar + bars_later]])))
        return (a * rotate(k, *clocks(torch.tensor([row]), torch.tensor([[bar]])))).sum(-1)[0, :, 0]

    torch.testing.assert_close(score(3, 1.0, 5, 2.25), score(40, 17.5, 5, 2.25), atol=1e-4, rtol=1e-4)
    rows_moved, bars_moved = (
        score(3, 1.0, 9, 2.25) - score(3, 1.0, 5, 2.25),
        score(3, 1.0, 5, 2.75) - score(3, 1.0, 5, 2.25),
    )
    assert (rows_moved[:2] != 0).all()
    assert (rows_moved[2:] == 0).all()
    assert (bars_moved[:2] == 0).all()
    assert (bars_moved[2:] != 0).all()


def test_periods_of_the_bar_clock_reach_from_a_quarter_bar_to_a_section():
    periods = 2 * torch.pi / TwoClocks(2, 32).frequencies[1, 0]
    assert float(periods.min()) == pytest.approx(0.25)
    assert float(periods.max()) == pytest.approx(128.0)


def test_heads_that_do_not_fit_are_refused():
    with pytest.raises(
        InputError, match=r"Width and heads do not fit. Expected width a multiple of 2 \* heads. Received width 20"
    ):
        TransformerSizes(width=20, heads=8)

"""The network over notes. Oracle: the formula written out note by note, and its torch twin."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from zhiyin.score.note_network import DILATIONS, NoteNetwork, shipped
from zhiyin.score.spelling_features import SPELLING_FEATURES
from zhiyin.score.staves import STAVES_FEATURES


def _drawn(width: int = 6, features: int = 5, outputs: int = 3) -> NoteNetwork:
    rng = np.random.default_rng(0)
    shapes = ((features, width), (width,), (len(DILATIONS), 3, width, width), (len(DILATIONS), width), (width, outputs), (outputs,))
    names = ("enter", "enter_bias", "blocks", "block_biases", "leave", "leave_bias")
    return NoteNetwork.from_arrays({n: 0.3 * rng.normal(size=s) for n, s in zip(names, shapes, strict=True)})


@pytest.mark.parametrize("size", [1, 2, 40, 300])
def test_it_is_the_formula(size: int) -> None:
    net = _drawn()
    features = np.random.default_rng(1).normal(size=(size, 5)).astype(np.float32)
    x = [np.maximum(f @ net.enter + net.enter_bias, 0) for f in features]
    nothing = np.zeros(6)
    for d, (before, here, after), bias in zip(DILATIONS, net.blocks, net.block_biases, strict=True):
        x = [
            x[t] + np.maximum(
                (x[t - d] if t >= d else nothing) @ before + x[t] @ here + (x[t + d] if t + d < size else nothing) @ after + bias, 0
            )
            for t in range(size)
        ]  # fmt: skip
    assert np.allclose(net(features), np.array(x) @ net.leave + net.leave_bias, rtol=1e-3, atol=1e-3)


def test_the_torch_twin_says_the_same() -> None:
    torch = pytest.importorskip("torch")
    sys.path.append(str(Path(__file__).parents[1] / "tools"))
    from note_network_fit import Network

    torch.manual_seed(0)
    twin = Network(5, 8, 3).eval()
    features = np.random.default_rng(2).normal(size=(50, 5)).astype(np.float32)
    with torch.no_grad():
        expected = twin(torch.from_numpy(features)[None])[0].numpy()
    assert np.allclose(NoteNetwork.from_arrays(twin.arrays())(features), expected, atol=0.05)


def test_a_network_learns_what_the_neighbour_says() -> None:
    pytest.importorskip("torch")
    sys.path.append(str(Path(__file__).parents[1] / "tools"))
    from note_network_fit import Example, Plan, fit

    rng = np.random.default_rng(3)
    examples = []
    for _ in range(40):
        bits = rng.integers(0, 2, 400)
        examples.append(Example(bits[:, None].astype(np.float32), np.r_[bits[1:], 0], np.ones(400, dtype=bool)))
    net = NoteNetwork.from_arrays(fit(examples[1:], Plan(8, 2, 0.1, rate=2e-2)).arrays())
    assert (net(examples[0].features.astype(np.float32)).argmax(axis=1) == examples[0].target).mean() > 0.98


@pytest.mark.parametrize(("name", "features", "outputs"), [("spelling", SPELLING_FEATURES, 3), ("staves", STAVES_FEATURES, 2)])
def test_the_shipped_networks_fit_their_features(name: str, features: int, outputs: int) -> None:
    net = shipped(name)
    assert net.enter.shape[0] == features
    assert net(np.zeros((4, features), dtype=np.float32)).shape == (4, outputs)
    assert all(np.isfinite(getattr(net, field)).all() for field in net.__dataclass_fields__)

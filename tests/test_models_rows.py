"""The network over rows: what the loss counts, what it cannot give mass to, what each field sees, and that it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rows_world import TINY, batch_of, random_piece, tiny
from zhiyin.encoding.fields import END, ROW_SIZES
from zhiyin.errors import TrainingError
from zhiyin.models.catalog import FAMILIES, build
from zhiyin.models.layers.table import SumTable
from zhiyin.models.step import ScoreGraph

FIELDS = range(6)


def world(seed: int = 0, given: bool = False):
    rng = np.random.default_rng(seed)
    pieces = [random_piece(rng, 30), random_piece(rng, 18, bars=5, parts=2)]
    return batch_of(pieces, rng if given else None)


def silent(model):
    """A network whose heads give every class the same logit."""
    for head in model.heads.heads:
        torch.nn.init.zeros_(head[-1].weight)
        torch.nn.init.zeros_(head[-1].bias)
    return model


@pytest.mark.parametrize("family", list(FAMILIES))
def test_nats_of_an_indifferent_network_are_logs_of_the_possible_classes(family):
    batch = world()
    nats = silent(tiny(family)).nats(batch)
    targets, scored = batch["targets"], batch["scored"]
    bar = batch["inputs"][..., 8] + targets[..., 0]
    for b, t in scored.nonzero().tolist():
        if targets[b, t, 0] == END:
            assert nats[b, t].tolist() == pytest.approx([math.log(34), 0, 0, 0, 0, 0], abs=1e-4)
            continue
        parts = int((batch["programs"][b] < 129).sum())
        expected = [34, int(batch["bars"][b, bar[b, t], 0]), parts, 128, ROW_SIZES[4], 16]
        expected = [math.log(n) for n in expected]
        if targets[b, t, 5] == 0:
            expected[5] = 0.0
        assert nats[b, t].tolist() == pytest.approx(expected, abs=1e-4)
    assert scored.sum() > 40


@pytest.mark.parametrize("family", list(FAMILIES))
def test_rows_that_are_not_scored_cost_nothing(family):
    batch = world(given=True)
    nats = tiny(family).nats(batch)
    assert nats.shape == (*batch["scored"].shape, 6)
    assert (nats[~batch["scored"]] == 0).all()
    assert (nats[batch["scored"]][:, 0] > 0).all()
    assert (~batch["scored"]).sum() > 4


@pytest.mark.parametrize("family", list(FAMILIES))
def test_padding_changes_nothing(family):
    rng = np.random.default_rng(3)
    short, long = random_piece(rng, 12, bars=4), random_piece(rng, 30, bars=12)
    model = tiny(family)
    alone, together = model.nats(batch_of([short])), model.nats(batch_of([short, long]))
    torch.testing.assert_close(together[:1, : alone.shape[1]], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_sees_the_fields_before_it_and_none_after(field):
    batch = world()
    at = next((b, t) for b, t in batch["scored"].nonzero().tolist() if batch["targets"][b, t, 0] == 1)
    model = tiny("lstm")
    before = model.nats(batch)[at]
    changed = {k: v.clone() for k, v in batch.items()}
    classes = (3, 5, 2, 128, 90, 17)[field]
    changed["targets"][at][field] = (batch["targets"][at][field] + 1) % classes
    after = model.nats(changed)[at]
    assert torch.equal(before[:field], after[:field])
    assert (before[field + 1 :] != after[field + 1 :]).all() or batch["targets"][at][5] == 0


def test_the_position_depends_on_the_bar_it_lands_in():
    batch = batch_of([random_piece(np.random.default_rng(5), 12)])
    b, t = next((b, t) for b, t in batch["scored"].nonzero().tolist() if 2 <= batch["targets"][b, t, 0] < END)
    bar = int(batch["inputs"][b, t, 8] + batch["targets"][b, t, 0])
    model = tiny("rnn")
    before = model.nats(batch)
    batch["bars"][b, bar, 6] = (batch["bars"][b, bar, 6] + 1) % 80
    after = model.nats(batch)
    assert before[b, t, 0] == after[b, t, 0]
    assert before[b, t, 1] != after[b, t, 1]


def test_what_stands_in_a_start_row_counts_nothing():
    batch = world()
    model = tiny("rnn")
    before = model.nats(batch)
    batch["inputs"][:, 0, 1:6] = 3
    torch.testing.assert_close(model.read(batch)[:, 0], model.read(world())[:, 0])
    torch.testing.assert_close(model.nats(batch), before)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_the_score_graph_gives_the_nats_of_training(family):
    batch, model = world(given=True), tiny(family)
    graph = ScoreGraph(model)
    nats, *logits = graph(*(batch[name] for name in graph.input_names))
    scored = batch["scored"]
    torch.testing.assert_close(nats[scored], model.nats(batch)[scored], atol=1e-5, rtol=1e-4)
    assert [x.shape[-1] for x in logits] == list(ROW_SIZES)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_few_steps_learn_a_piece_by_heart(family):
    torch.manual_seed(0)
    batch = world()
    model = build(family, **TINY[family]).train()
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    losses = []
    for _ in range(40):
        loss = model.nats(batch).sum() / batch["scored"].sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    assert all(table.weight[0].abs().max() == 0 for table in model.modules() if isinstance(table, SumTable))


@pytest.mark.parametrize("family", list(FAMILIES))
def test_bf16_stays_near_float32(family):
    batch, model = world(), tiny(family)
    exact = model.nats(batch)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model.nats(batch)
    assert rough.dtype == torch.float32
    assert abs(float((rough.sum() / exact.sum()).detach()) - 1) < 0.02


def test_sums_of_tables_agree_between_training_and_export(monkeypatch):
    table = SumTable((5, 3), 4)
    columns = torch.tensor([[[0, 2], [4, -1]], [[-1, -1], [3, 0]]])
    trained = table(columns)
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    torch.testing.assert_close(table(columns), trained)
    assert (trained[1, 0] == 0).all()
    torch.testing.assert_close(trained[0, 0], table.weight[1] + table.weight[8])


def test_sizes_rebuild_the_same_network():
    model = tiny("transformer")
    again = build(model.family, **model.sizes)
    again.load_state_dict(model.state_dict())
    assert again.parameter_count == model.parameter_count > 0


def test_the_classic_recipe_is_two_layers_of_128_with_dropout():
    model = build("lstm", width=128, hidden=128, layers=2, dropout=0.2)
    assert model.trunk.layers.num_layers == 2
    assert model.trunk.layers.hidden_size == 128
    assert model.trunk.layers.dropout == model.trunk.dropout.p == 0.2


def test_default_sizes_keep_within_their_budgets():
    assert 4e6 < build("transformer").parameter_count < 6e6
    assert all(build(family).parameter_count < 4e6 for family in ("rnn", "lstm", "gru"))


def test_an_unknown_family_is_named_with_those_that_exist():
    with pytest.raises(
        TrainingError,
        match=r"Unknown family. Expected one of rnn, lstm, gru, transformer, embedding, vae, gan. Received 'lsmt'. hint: try 'lstm'",
    ):
        build("lsmt")


def test_an_unknown_size_is_named_with_those_that_exist():
    with pytest.raises(
        TrainingError, match=r"Unknown size of family 'lstm'. Expected any of width, layers, hidden.* Received 'heads'"
    ):
        build("lstm", heads=4)

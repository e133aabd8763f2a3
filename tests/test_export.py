"""Exported graphs: parity with torch, one weights file, int8 that costs little, single equals batch, protocol names."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from rows_world import TINY, Host, batch_of, empty_state, open_rules, random_piece, tiny, torch_call
from zhiyin.errors import TrainingError
from zhiyin.models.catalog import build
from zhiyin.models.step import SCORE_GRAPH_OUTPUTS, ScoreGraph, StepGraph
from zhiyin.training import export
from zhiyin.training.export import export_graphs


@pytest.fixture(scope="module", params=list(TINY))
def exported(request, tmp_path_factory):
    """A tiny network of each family with its int8 and float32 exports."""
    model = tiny(request.param)
    folders = {int8: tmp_path_factory.mktemp(f"{request.param}-{int8}") for int8 in (True, False)}
    return model, folders, {int8: export_graphs(model, folder, int8=int8) for int8, folder in folders.items()}


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def onnx_call(path):
    opened = session(path)
    return lambda given: opened.run(None, {name: np.asarray(value) for name, value in given.items()})


def players(model, folder, rules):
    graph = StepGraph(model).eval()
    call = onnx_call(folder / "step.onnx")
    return [
        Host(c, graph.input_names, empty_state(model, len(rules["bars"])), rules) for c in (call, torch_call(graph))
    ]


def test_the_step_graph_writes_what_torch_writes(exported):
    model, folders, _ = exported
    rules = open_rules(np.random.default_rng(0), 3, 6, 3)
    rng = np.random.default_rng(1)
    shipped, torch_one = players(model, folders[False], rules)
    for _ in range(40):
        uniform = rng.random((3, 6))
        assert np.array_equal(shipped.step(uniform), torch_one.step(uniform))
    assert sum(map(len, shipped.rows)) > 10
    for b in range(3):
        np.testing.assert_allclose(shipped.nats[b], torch_one.nats[b], atol=1e-3)


def test_shipped_int8_gives_the_same_single_and_in_a_batch(exported):
    model, folders, _ = exported
    rules = open_rules(np.random.default_rng(2), 5, 4, 2)
    names = StepGraph(model).input_names
    call = onnx_call(folders[True] / "step.onnx")
    together = Host(call, names, empty_state(model, 5), rules)
    alone = [
        Host(
            call,
            names,
            empty_state(model, 1),
            {k: v if k.endswith("_masks") else v[b : b + 1] for k, v in rules.items()},
        )
        for b in range(5)
    ]
    for uniform in np.random.default_rng(3).random((30, 5, 6)):
        together.step(uniform)
        for b, one in enumerate(alone):
            one.step(uniform[b : b + 1])
    for b, one in enumerate(alone):
        assert np.array_equal(together.piece(b).rows, one.piece(0).rows)


def test_the_score_graph_gives_the_nats_and_logits_of_torch(exported):
    model, folders, reports = exported
    rng = np.random.default_rng(4)
    batch = batch_of([random_piece(rng, 25, bars=9), random_piece(rng, 11)], rng)
    call = onnx_call(folders[False] / "score.onnx")
    graph = ScoreGraph(model)
    found = call({name: batch[name].numpy() for name in graph.input_names})
    with torch.no_grad():
        expected = graph(*(batch[name] for name in graph.input_names))
    for name, a, b in zip(SCORE_GRAPH_OUTPUTS, found, expected, strict=True):
        np.testing.assert_allclose(a, b.numpy(), atol=1e-3, err_msg=name)
    assert reports[False].logit_error < 1e-3


def test_int8_costs_little_and_shares_one_file(exported):
    model, folders, reports = exported
    report = reports[True]
    assert report.int8
    assert abs(report.nats_change) < 0.005
    assert not reports[False].int8
    assert reports[False].nats_change == pytest.approx(0, abs=1e-6)
    for folder in folders.values():
        assert sorted(p.name for p in folder.iterdir()) == ["score.onnx", "step.onnx", "weights.bin"]
    large = 4 * sum(p.numel() for p in model.parameters() if p.numel() * 4 >= 1024)
    assert (folders[False] / "weights.bin").stat().st_size < 1.1 * large + 20_000
    assert report.bytes["weights.bin"] < reports[False].bytes["weights.bin"]
    assert report.bytes["weights.bin"] == (folders[True] / "weights.bin").stat().st_size


def test_the_graphs_speak_the_protocol(exported):
    model, folders, reports = exported
    opened = session(folders[True] / "step.onnx")
    shapes = {i.name: i.shape for i in opened.get_inputs()}
    graph = StepGraph(model)
    assert set(shapes) == set(graph.input_names)
    assert [o.name for o in opened.get_outputs()] == list(graph.output_names)
    assert shapes["mask_index"] == ["B", "N", 16, 32]
    assert shapes["pitch_masks"] == ["M", 128]
    assert shapes["position_masks"] == ["Q", 384]
    for name, shape in reports[True].state.items():
        assert shapes[name] == shape
    assert reports[True].window == model.sizes["window"]
    for name in ("step.onnx", "score.onnx"):
        domains = {o.domain for o in onnx.load(str(folders[True] / name), load_external_data=False).opset_import}
        used = {n.domain for n in onnx.load(str(folders[True] / name), load_external_data=False).graph.node}
        assert used <= {"", "ai.onnx"} <= domains | {"ai.onnx"}


def test_the_same_network_exports_the_same_bytes(tmp_path):
    model = tiny("rnn")
    for name in ("a", "b"):
        export_graphs(model, tmp_path / name)
    for name in ("step.onnx", "score.onnx", "weights.bin"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_int8_that_costs_too_much_is_not_shipped(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "NATS_BOUND", -1.0)
    report = export_graphs(build("rnn", **TINY["rnn"]), tmp_path)
    assert not report.int8
    assert "int8 would cost" in report.remarks[0]
    assert report.as_dict()["remarks"] == report.remarks


def test_a_graph_that_differs_from_torch_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "LOGIT_BOUND", -1.0)
    with pytest.raises(
        TrainingError, match=r"The exported graph differs from the network. Expected logits within -1.0. Received"
    ):
        export_graphs(tiny("rnn"), tmp_path)
    assert not list(tmp_path.iterdir())

"""The encoder: padding does not matter, its loss does what it says, it learns, and its package embeds pieces."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from music import tune
from zhiyin.corpus.store import open_corpus
from zhiyin.encoding import encode
from zhiyin.encoding.rows import EncodedPiece
from zhiyin.encoding.view import HIDDEN_SIZES, look, pad
from zhiyin.errors import InputError, PackageError, TrainingError
from zhiyin.formats.catalog import save
from zhiyin.inference.embed import Embedder, _views, embed, join
from zhiyin.models.catalog import build
from zhiyin.models.encoder import EmbedGraph, EncoderSizes
from zhiyin.provenance.package import load_package
from zhiyin.score import Part
from zhiyin.training import export_encoder as export
from zhiyin.training.loop import train_model
from zhiyin.training.pairs import Pairs, _two_places, hide, without_parts
from zhiyin.training.recipe import Recipe
from zhiyin.training.train import TrainOptions, fine_tune, train
from zhiyin.training.whiten import whiten

TINY = {"width": 16, "layers": 2, "heads": 2, "hidden": 16, "head_hidden": 16, "pool_heads": 2}
RECIPE = Recipe(
    family="embedding", steps=4, batch_rows=512, window=64, validations=2, valid_rows=0, patience=0, precision="fp32", sizes=TINY
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """24 tunes of two labels as MIDI files."""
    root = tmp_path_factory.mktemp("tunes")
    for i in range(24):
        (root / ("slow" if i % 2 else "quick")).mkdir(exist_ok=True)
        save(tune(16, seed=i, parts=1 + i % 2), root / ("slow" if i % 2 else "quick") / f"tune{i}.mid")
    return root


@pytest.fixture(scope="module")
def result(folder, tmp_path_factory):
    """A package trained for four steps on the folder."""
    out = tmp_path_factory.mktemp("out")
    options = TrainOptions(name="mine", out=out / "package", run_folder=out / "run")
    return train(folder, recipe=RECIPE, options=options)


@pytest.fixture(scope="module")
def corpus(result):
    return open_corpus(result.run_folder / "corpus")


@pytest.fixture(scope="module")
def embedder(result):
    return Embedder(result.package)


def network(seed=0):
    torch.manual_seed(seed)
    model = build("embedding", **TINY).eval()
    torch.nn.init.normal_(model.query.weight, std=0.3)
    return model


def windows(count=3):
    pieces = [encode(tune(6 + 2 * i, seed=i, parts=1 + i % 2))[0] for i in range(count)]
    return [look(p.rows, p.bars, p.programs) for p in pieces]


def run(model, views):
    columns, time = pad(views)
    with torch.no_grad():
        vector, weight = EmbedGraph(model)(torch.from_numpy(columns), torch.from_numpy(time))
    return vector.numpy(), weight.numpy()


def test_a_batch_of_windows_gives_what_single_windows_give():
    model, views = network(), windows()
    together = run(model, views)
    for i, view in enumerate(views):
        for many, one in zip(together, run(model, [view])):
            np.testing.assert_allclose(many[i], one[0], atol=2e-5)


def test_the_order_of_pieces_does_not_matter(embedder):
    pieces = [tune(4 + i, seed=i) for i in range(5)]
    one, other = embedder.embed(pieces), embedder.embed(pieces[::-1])
    np.testing.assert_allclose(one, other[::-1], atol=2e-5)
    np.testing.assert_allclose(one[2], embedder.embed([pieces[2]])[0], atol=2e-5)


def test_windows_join_as_if_all_rows_had_been_attended_to_at_once():
    model = network()
    h = torch.randn(1, 12, 16, generator=torch.Generator().manual_seed(1))
    columns = torch.zeros(1, 12, 13, dtype=torch.int64)
    with torch.no_grad():
        whole = model.pool(h, columns)[0].flatten().numpy()
        parts = [model.pool(h[:, a:b], columns[:, a:b]) for a, b in ((0, 3), (3, 12))]
    vector, weight = (np.concatenate([p[i].numpy() for p in parts]) for i in (0, 1))
    np.testing.assert_allclose(join(vector, weight), whole / np.linalg.norm(whole), atol=1e-5)


def test_every_row_is_in_one_window():
    p = encode(tune(40, parts=2))[0]
    found = list(_views(p, 64))
    assert sum(len(v.time) for v in found) == len(p.rows)
    assert max(len(v.time) for v in found) - min(len(v.time) for v in found) <= 1 and len(found) == -(-len(p.rows) // 64)


def test_the_contrastive_term_is_nt_xent_over_windows_of_other_kin():
    model = network()
    v, kin = torch.randn(6, 16, generator=torch.Generator().manual_seed(2)), torch.tensor([0, 0, 1, 1, 0, 0])
    z = F.normalize(v, dim=-1).double().numpy()
    tau = model.chosen.temperature
    found = model.attraction(v, kin).numpy()
    for i in range(6):
        asked = [k for k in range(6) if k == i ^ 1 or kin[k] != kin[i]]
        total = sum(np.exp(z[i] @ z[k] / tau) for k in asked)
        assert found[i] == pytest.approx(-np.log(np.exp(z[i] @ z[i ^ 1] / tau) / total), abs=1e-4)


def test_the_loss_stands_at_hidden_rows_and_counts_windows_alike():
    model, views = network(), windows(4)
    columns, time = pad(views)
    targets = np.zeros((*time.shape, len(HIDDEN_SIZES)), dtype=np.int64)
    scored = np.zeros(time.shape, dtype=bool)
    for i, view in enumerate(views):
        targets[i, : len(view.time)] = view.targets
        scored[i, : 1 + 3 * i] = True
    arrays = {"columns": columns, "time": time, "targets": targets, "scored": scored, "kin": np.array([0, 0, 1, 1])}
    batch = {name: torch.from_numpy(a) for name, a in arrays.items()}
    with torch.no_grad():
        nats = model.nats(batch)
        pull = model.attraction(model.pool(model.read(batch["columns"], batch["time"]), batch["columns"])[0].flatten(1), batch["kin"])
    assert nats.shape == (*time.shape, len(model.fields))
    assert (nats[~batch["scored"]] == 0).all() and (nats[batch["scored"]][:, :4] > 0).all()
    mean = nats[..., -1].sum() / batch["scored"].sum()
    assert float(mean) == pytest.approx(model.chosen.contrast * float(pull.mean()), rel=1e-4)


def test_whitening_is_folded_into_the_pooling(corpus):
    model = network()
    batches = list(Pairs(corpus, RECIPE).plain(200))
    assert sum(len(b["time"]) for b in batches) >= 200

    def pooled():
        with torch.no_grad():
            found = [EmbedGraph(model)(torch.from_numpy(b["columns"]), torch.from_numpy(b["time"]))[0] for b in batches]
        return torch.cat(found).numpy()

    before = pooled()
    assert whiten(model, batches) == len(before)
    after = pooled()
    np.testing.assert_allclose(after.mean(0), 0, atol=1e-3)
    for head in range(2):
        was, now = (np.linalg.eigvalsh(np.cov(v[:, head].T)) for v in (before, after))
        assert was.max() / was.min() > 10 * now.max() / now.min()
        assert 0.8 < now.max() < 1.01


def test_pairs_depend_on_seed_and_step_and_do_not_overlap(corpus):
    first, again = Pairs(corpus, RECIPE), Pairs(corpus, RECIPE)
    for name, value in first.batch(3).items():
        assert np.array_equal(value, again.batch(3)[name]), name
    assert not np.array_equal(first.batch(3)["columns"], first.batch(4)["columns"])
    for k in range(12):
        batch = first.batch(k)
        assert (batch["kin"][::2] == batch["kin"][1::2]).all()
        assert batch["scored"].any(1).all() and not (batch["scored"] & (batch["columns"][..., 0] != 1)).any()
    rng = np.random.default_rng(0)
    for total in (64, 65, 100, 1000):
        for _ in range(20):
            (a, b), (c, d) = sorted(_two_places(total, 32, rng))
            assert 0 <= a < b <= c < d <= total and b - a == d - c == 32


def test_hidden_rows_and_dropped_parts():
    rows = encode(tune(16, parts=3))[0].rows
    rng = np.random.default_rng(0)
    shares = [hide(rows, 0.2, rng).mean() for _ in range(100)]
    assert min(shares) > 0 and max(shares) < 0.6 and 0.1 < np.mean(shares) < 0.3
    kept = [len(without_parts(rows, 0.5, rng)) for _ in range(40)]
    assert min(kept) >= len(rows) / 2 and len(set(kept)) > 1
    assert len(without_parts(rows[rows[:, 2] == 0], 0.9, rng)) == (rows[:, 2] == 0).sum()


def test_it_learns(corpus, tmp_path):
    torch.manual_seed(0)
    sizes = {**TINY, "contrast": 0.5}  # these tunes are all of one kind: what can be learnt is what hidden rows hold
    recipe = RECIPE.replace(steps=40, learning_rate=1e-2, ema=0.9, sizes=sizes)
    learnt = train_model(build("embedding", **sizes), Pairs(corpus, recipe), recipe, tmp_path)
    first, last = learnt.progress.history[0], learnt.progress.history[-1]
    assert last["nats"] < first["nats"] - 0.3
    assert learnt.progress.best == pytest.approx(min(h["nats"] for h in learnt.progress.history))


def test_folder_to_package(result, corpus):
    package = load_package(result.package.folder)
    m = package.manifest
    assert m["family"] == "embedding" and set(m["files"]) == {"embed.onnx", "weights.bin", "card.md"}
    assert m["graphs"]["cosine_shipped"] >= export.COSINE_INT8 and m["graphs"]["window"] == 64
    card = (package.folder / "card.md").read_text(encoding="utf-8")
    assert "It turns a piece of any length into 16 numbers" in card and "LicenseRef-own" in card
    vector = embed(tune(8), model=package)
    assert vector.shape == (16,) and vector.dtype == np.float32 and np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_the_graph_gives_what_torch_gives(tmp_path):
    model = network()
    report = export.export_encoder(model, tmp_path, window=64, int8=False)
    assert not report["int8"] and report["cosine_float32"] >= export.COSINE_PLAIN
    opened = export.open_graph(tmp_path / "embed.onnx")
    columns, time = pad(windows())
    vector, weight = opened.run(["vector", "weight"], {"columns": columns, "time": time})
    for found, wanted in zip((vector, weight), run(model, windows())):
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["embed.onnx", "weights.bin"]


def test_int8_that_turns_embeddings_is_not_shipped_and_a_wrong_graph_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "COSINE_INT8", 1.1)
    report = export.export_encoder(network(), tmp_path / "a", window=64)
    assert not report["int8"] and "int8 would turn" in report["remarks"][0]
    monkeypatch.setattr(export, "COSINE_PLAIN", 1.1)
    with pytest.raises(TrainingError, match="The exported graph differs from the network. Expected cosine ≥ 1.1"):
        export.export_encoder(network(), tmp_path / "b", window=64)


def test_odd_pieces_are_well_defined(embedder):
    score = tune(8)
    empty = score.replace(notes=score.notes[:0])
    three = score.replace(notes=score.notes[:3])
    drums = score.replace(parts=(Part("Drums", 0, True),))
    found = embedder.embed([empty, three, drums, score])
    assert (found[0] == 0).all() and np.isfinite(found).all()
    np.testing.assert_allclose(np.linalg.norm(found[1:], axis=1), 1, atol=1e-5)
    assert embedder.embed([]).shape == (0, 16)
    p = encode(score)[0]
    np.testing.assert_allclose(embedder.embed([p])[0], found[3], atol=2e-5)
    assert (embedder.embed([EncodedPiece(p.rows[:0], p.bars, p.programs, p.controls)]) == 0).all()


def test_a_long_piece_goes_through_in_windows(embedder):
    p = encode(tune(200, parts=3))[0]
    copies = 100_000 // len(p.rows) + 1
    rows = np.tile(p.rows.astype(np.int64), (copies, 1))
    rows[:, 0] += np.repeat(np.arange(copies) * len(p.bars), len(p.rows))
    long = EncodedPiece(rows, np.tile(p.bars, (copies, 1)), p.programs, p.controls)
    assert len(rows) >= 100_000
    found = embedder.embed([long, p])
    assert np.linalg.norm(found[0]) == pytest.approx(1, abs=1e-5) and found[0] @ found[1] > 0.99


def test_a_transposed_piece_has_the_same_embedding(embedder):
    found = embedder.embed([tune(16, tonic=60, parts=2), tune(16, tonic=66, parts=2)])
    assert found[0] @ found[1] > 0.99999


def test_an_embedding_package_does_not_compose(result, corpus):
    from zhiyin.evaluation.nats import evaluate_nats
    from zhiyin.inference.compose import compose
    from zhiyin.inference.continue_ import continue_

    package = result.package
    with pytest.raises(PackageError, match=r"'mine' does not compose. Expected a package with step.onnx. Received one of the family 'embedding'"):
        compose(model=package, bars=4)
    with pytest.raises(PackageError, match="does not compose"):
        continue_(tune(8), bars=4, model=package)
    with pytest.raises(PackageError, match="does not compose"):
        fine_tune(corpus.path, package, options=TrainOptions())
    with pytest.raises(PackageError, match="does not score music"):
        evaluate_nats(package, corpus.path)
    with pytest.raises(PackageError, match=r"'default' does not embed music. Expected a package with embed.onnx"):
        embed(tune(4), model="default")


def test_the_command_line_trains_and_refuses(folder, result, tmp_path, capsys, monkeypatch):
    from zhiyin.app.cli.main import main

    monkeypatch.setenv("ZHIYIN_HOME", str(tmp_path))
    recipe = tmp_path / "tiny.toml"
    lines = [f"{k} = {v!r}" for k, v in {**RECIPE.flat(), "steps": 2, **TINY}.items() if isinstance(v, (int, float, str)) and not isinstance(v, bool)]
    recipe.write_text("\n".join(lines).replace("'", '"'), encoding="utf-8")
    code = main(["train", str(folder), "--family", "embedding", "--recipe", str(recipe), "--name", "own", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert code == 0 and said["model"] == "own" and said["n"] > 0
    assert main(["compose", "--model", "own", "--out", str(tmp_path / "o")]) == 1
    assert "does not compose" in capsys.readouterr().err
    assert main(["models", "list"]) == 0
    line = next(x for x in "\n".join(capsys.readouterr()).splitlines() if " own " in x)
    assert "16 numbers a piece" in line


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(InputError, match="Width and pooling heads do not fit. Expected width a multiple of pool_heads"):
        EncoderSizes(width=16, pool_heads=3)


def test_embedding_needs_no_torch(result):
    script = (
        "import sys; sys.modules['torch'] = None; sys.modules['sklearn'] = None\n"
        "from zhiyin.inference.embed import embed\nfrom zhiyin.score import Part, Score, notes_array, regular_bars\n"
        "s = Score(notes_array(onset=[0, 480, 960], duration=480, pitch=[60, 62, 64]), regular_bars(2, 480, 3, 4), (Part('', 0),), 480)\n"
        f"v = embed(s, model={str(result.package.folder)!r})\nassert v.shape == (16,), v.shape"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_shipped_package_is_small_and_keyless():
    package = load_package("embedding")
    assert package.manifest["graphs"]["int8"] and package.manifest["graphs"]["window"] == 256
    assert sum(p.stat().st_size for p in package.folder.iterdir()) <= 5_000_000
    assert "find" in (package.folder / "card.md").read_text(encoding="utf-8")  # what the benchmark measured is on its card
    jig, higher, other = (embed(tune(32, seed=s, tonic=t, meter=m)) for s, t, m in ((1, 60, (6, 8)), (1, 65, (6, 8)), (2, 60, (3, 4))))
    assert jig.shape == (192,) and jig @ higher > 0.9999 and jig @ other < 0.9

"""The VAE: what its loss is, that it learns, its graphs, and every verb over its package; bad input by its text."""

import numpy as np
import pytest
import torch

from music import tune
from zhiyin.corpus.store import open_corpus
from zhiyin.encoding.sixteenths import CLASSES, NONE
from zhiyin.errors import ControlError, InputError, PackageError, TrainingError
from zhiyin.formats.catalog import save
from zhiyin.inference.attributes import ATTRIBUTES, directions
from zhiyin.inference.latent import blend, moved_along, push_of, vary_latent
from zhiyin.inference.latent_space import LatentModel, in_a_row, latent_model, slerp, windows_of
from zhiyin.models.vae import VAE, VAESizes, kl
from zhiyin.provenance.package import load_package
from zhiyin.score import Part, Score, notes_array, regular_bars
from zhiyin.training.loop import tensors, train_model
from zhiyin.training.recipe import Recipe, load_recipe
from zhiyin.training.train import TrainOptions, train
from zhiyin.training.windows import Windows, moved, pool_of

TINY = {
    "width": 32, "hidden": 32, "heads": 2, "layers": 1, "cell": 48, "code": 48, "embedding": 16, "latent": 24, "beta": 0.002, "free_nats": 0.0, "anneal": 5,
}  # fmt: skip
RECIPE = Recipe(
    family="vae", steps=300, batch_rows=768, learning_rate=8e-3, transpose=0, validations=2, valid_rows=2000, patience=0, precision="fp32", ema=0.9, sizes=TINY
)  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    root = tmp_path_factory.mktemp("vae")
    (root / "tunes").mkdir()
    for i in range(20):
        save(tune(12, seed=i, meter=(4, 4) if i % 3 else (3, 4)), root / "tunes" / f"tune{i}.mid")
    return train(root / "tunes", recipe=RECIPE, options=TrainOptions(name="tiny-vae", out=root / "package", run_folder=root / "run"))


@pytest.fixture(scope="module")
def corpus(result):
    return open_corpus(result.run_folder / "corpus")


def test_the_loss_is_reconstruction_and_kl(corpus):
    torch.manual_seed(0)
    windows = Windows(corpus, RECIPE)
    batch = tensors(windows.batch(9), CPU)
    model = VAE(VAESizes(**TINY)).eval()
    nats = model.nats(batch)
    mean, log_variance = model.encode(batch["grid"], batch["length"])
    logits = model.decoder(mean, batch["length"], batch["grid"]).flatten(1, 3)
    said = batch["grid"].flatten(1)
    chosen = -logits.log_softmax(-1).gather(-1, said.clamp(max=CLASSES - 1)[..., None])[..., 0]
    assert torch.allclose(nats[..., 0], torch.where(batch["scored"], chosen, 0.0), atol=1e-5)
    assert torch.allclose(nats[:, 0, 1], 0.002 * kl(mean, log_variance).sum(-1), atol=1e-6)
    assert not nats[:, 1:, 1].any() and batch["scored"].shape[1] == 32
    assert kl(torch.zeros(3), torch.zeros(3)).abs().max() == 0


def test_padding_of_short_bars_changes_nothing(corpus):
    model = VAE(VAESizes(**TINY)).eval()
    grid = torch.randint(0, CLASSES, (4, 2, 16, 1))
    grid[:, :, 12:] = NONE
    whole = model.encode(grid, torch.ones(4, dtype=torch.int64))[0]
    with torch.no_grad():
        model.read[0].weight[NONE] += 5.0
    assert torch.allclose(whole, model.encode(grid, torch.ones(4, dtype=torch.int64))[0], atol=1e-5)


@pytest.mark.parametrize(("hierarchical", "lines"), [(1, 1), (0, 1), (1, 3), (0, 2)])
def test_a_decoder_sees_only_what_was_written_before(hierarchical, lines):
    torch.manual_seed(1)
    model = VAE(VAESizes(**{**TINY, "hierarchical": hierarchical, "lines": lines})).eval()
    z, length = torch.randn(2, 24), torch.tensor([2, 2])
    grid = torch.randint(0, CLASSES, (2, 2, 16, lines))
    before = model.decoder(z, length, grid)
    changed = grid.clone()
    changed[:, 0, 9, -1] = (changed[:, 0, 9, -1] + 1) % CLASSES
    after = model.decoder(z, length, changed)
    assert torch.allclose(before[:, 0, :10], after[:, 0, :10], atol=1e-5)
    assert not torch.allclose(before[:, 0, 10], after[:, 0, 10], atol=1e-5)
    assert torch.allclose(before[:, 1], after[:, 1], atol=1e-5) == bool(hierarchical)


def test_training_learns_and_watches(result):
    import json

    lines = [json.loads(line) for line in (result.run_folder / "log.jsonl").read_text().splitlines()]
    valid = [line for line in lines if line["kind"] == "valid"]
    assert valid[-1]["nats"] < 1.3 and valid[-1]["active_units"] > 0.1 and valid[-1]["accuracy"] > 0.5  # 24 classes of notes: 3.2 by chance


def test_a_collapsed_posterior_is_told(corpus, tmp_path):
    said = []
    recipe = RECIPE.replace(steps=4, validations=1, sizes={**TINY, "beta": 50.0, "anneal": 0})
    model = VAE(VAESizes(**recipe.sizes))
    with torch.no_grad():
        model.posterior.weight.zero_()
    train_model(model, Windows(corpus, recipe.replace(learning_rate=1e-9)), recipe.replace(learning_rate=1e-9), tmp_path, report=said.append)
    told = [e["text"] for e in said if e["kind"] == "warning"]
    assert told and told[0].startswith("posterior collapse: 0.0% of the latent's units are active (< 10%)")


def test_windows_are_whole_and_batches_depend_on_their_number(corpus):
    windows = Windows(corpus, RECIPE)
    pool = windows.pool
    assert len(pool.begin) > 50 and len(np.unique(pool.take(np.arange(len(pool.begin))).reshape(len(pool.begin), -1), axis=0)) == len(pool.begin)
    assert all(np.array_equal(a, b) for a, b in zip(windows.batch(3).values(), Windows(corpus, RECIPE).batch(3).values()))
    held = {corpus.table[i].group for i in windows.held.piece}
    assert held and not held & {corpus.table[i].group for i in pool.piece}
    grid = pool.take(np.arange(4))
    up = moved(grid, np.array([1, 2, -3, 120]))
    assert np.array_equal(up == NONE, grid == NONE) and np.array_equal(up[3], grid[3]) and not np.array_equal(up[0], grid[0])
    assert len(pool_of(corpus, corpus.pieces("train"), 64, 1).begin) == 0
    with pytest.raises(TrainingError, match="Nothing to train on. Expected ≥ 1 window of 2 bars of 8, 12 or 16 sixteenths with 7 lines"):
        Windows(corpus, RECIPE.replace(sizes={**TINY, "lines": 7}))


def test_the_package_says_what_it_is(result):
    manifest = result.package.manifest
    assert manifest["family"] == "vae" and manifest["grid"] == "sixteenths/1" and set(manifest["attributes"]) <= set(ATTRIBUTES)
    assert manifest["graphs"]["error_float32"] < 2e-3 and "windows of 2 bars and 1 line into 24 numbers" in (result.package.folder / "card.md").read_text()
    with pytest.raises(PackageError, match="'tiny-vae' does not compose"):
        result.package.graph_path("step.onnx")


def test_the_graphs_write_what_torch_writes_alone_and_in_a_batch(result):
    latent = latent_model(result.package)
    piece = _piece(tune(8, seed=77))
    line = windows_of(piece, [0], 2)
    mean, spread = latent.encode(line.grid, line.length)
    assert mean.shape == (4, 24) and (spread > 0).all()
    together = latent.decode(mean, line.length, temperature=1.0, seed=3)
    alone = latent.decode(mean[:1], line.length[:1], temperature=1.0, seed=3)
    assert np.array_equal(together[0], alone[0])
    assert (latent.decode(mean, line.length, force=line.grid.astype(np.int64) % CLASSES) == line.grid).mean() > 0.99
    assert latent.nats(mean, line.length, line.grid).sum() < latent.nats(mean + 3, line.length, line.grid).sum()


def _piece(score):
    from zhiyin.encoding import encode

    return encode(score)[0]


def _onsets(grid):
    return int(((grid > 1) & (grid != NONE)).sum())


def test_slerp():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 8)).astype(np.float32), rng.normal(size=(3, 8)).astype(np.float32)
    assert np.allclose(slerp(a, b, 0), a, atol=1e-5) and np.allclose(slerp(a, b, 1), b, atol=1e-5)
    ends = np.array([[3.0, 0.0]]), np.array([[0.0, 3.0]])
    assert np.allclose(slerp(*ends, 0.5), 3 / np.sqrt(2), atol=1e-5)
    assert np.allclose(slerp(a, a, 0.3), a, atol=1e-4)


def test_a_blend_goes_from_one_to_the_other(result):
    made = blend(tune(12, seed=1), tune(10, seed=2), steps=4, model=result.package)
    assert len(made.pieces) == 4 and all(p.score.bar_count == 10 for p in made.pieces)
    assert all((p.score.bars["meter_numerator"] == 4).all() for p in made.pieces)
    latent, piece = latent_model(result.package), _piece(tune(12, seed=1))
    line = windows_of(piece, [0], 2)
    restored = latent.decode(latent.encode(line.grid, line.length)[0][:5], line.length[:5])
    assert _onsets(restored) == _onsets(windows_of(_piece(made.pieces[0].score), [0], 2).grid) == len(made.pieces[0].score.notes)
    assert made.pieces[2].record["verb"] == "blend" and made.pieces[2].record["settings"]["t"] == 0.6667
    other = blend(tune(12, seed=1), tune(12, seed=2, meter=(3, 4)), steps=3, meter=(2, 4), model=result.package)
    assert all((p.score.bars["duration"] == 48).all() for p in other.pieces)


def test_neighbours_and_attributes(result, corpus):
    score = tune(12, seed=4)
    same = vary_latent(score, amount=0.0, takes=2, model=result.package, seed=1)
    assert np.array_equal(same.pieces[0].score.notes, same.pieces[1].score.notes)
    far = vary_latent(score, amount=0.9, takes=2, temperature=1.0, model=result.package, seed=1)
    assert not np.array_equal(far.pieces[0].score.notes, far.pieces[1].score.notes)
    again = vary_latent(score, amount=0.9, takes=2, temperature=1.0, model=result.package, seed=1)
    assert np.array_equal(far.pieces[1].score.notes, again.pieces[1].score.notes)
    assert len(vary_latent(score, amount=0.3, model=result.package, more=["density"]).score.notes) > 0
    assert np.allclose(push_of(result.package, ["density"], []), -push_of(result.package, [], ["density"]))
    pool = Windows(corpus, RECIPE).pool
    grid = pool.take(np.arange(len(pool.begin)))
    latents = np.zeros((len(grid), 4), dtype=np.float32)
    for column, measure in enumerate(ATTRIBUTES.values()):
        latents[:, column] = measure(grid)
    for name, way in directions(latents, grid).items():
        assert way[list(ATTRIBUTES).index(name)] > 0
    latent, length = latent_model(result.package), pool.length[:40]
    z = latent.encode(grid[:40], length)[0]
    straight = z + 3 * 0.5 * push_of(result.package, ["density"], [])
    z = {"as asked": moved_along(latent, z, length, push_of(result.package, ["density"], []), [("density", 1.0)], amount=0.5, seed=1), "plain": z, "straight": straight}
    found = {name: ATTRIBUTES["density"](latent.decode(value, length)) for name, value in z.items()}
    assert (found["as asked"] > found["plain"]).mean() >= (found["straight"] > found["plain"]).mean() > 0


def test_attributes_of_known_bars():
    grid = np.full((2, 1, 16, 1), 1, dtype=np.uint8)
    grid[0, 0, [0, 4, 8, 12], 0] = [62, 66, 69, 74]
    grid[1, 0, [0, 2, 6, 10, 14], 0] = [62, 65, 69, 74, 86]
    assert ATTRIBUTES["density"](grid).tolist() == [1.0, 1.25] and ATTRIBUTES["range"](grid).tolist() == [12, 24]
    assert ATTRIBUTES["syncopation"](grid).tolist() == [0.0, 0.6]
    assert ATTRIBUTES["mode"](grid)[0] > 0 > ATTRIBUTES["mode"](grid)[1]


BAD = [
    (tune(1), {}, "The piece is shorter than the window. Expected ≥ 2 whole bars. Received 1"),
    (tune(4, meter=(5, 4)), {}, "Wrong metre for the latent model. Expected bars of 8, 12, 16 sixteenths .* Received a bar of 20 sixteenths .5/4. at bar 1"),
    (tune(4, parts=2), {"part": 3}, "No such part. Expected a pitched part, 1, 2. Received 3"),
    (Score(notes_array([(0, 24, 36)]), regular_bars(4, 24), (Part("", 0, True),), 24), {}, "Nothing but drums. Expected a pitched part"),
    (Score(notes_array([]), regular_bars(4, 24), (Part("", 0),), 24), {}, "The score has no notes"),
]  # fmt: skip


@pytest.mark.parametrize(("score", "options", "text"), BAD)
def test_what_cannot_be_varied_is_said(result, score, options, text):
    with pytest.raises(InputError, match=text):
        vary_latent(score, model=result.package, **options)


def test_wrong_wishes_are_said(result):
    for options, text in (
        ({"amount": 2}, "amount out of range. Expected 0..1. Received 2"),
        ({"takes": 0}, "takes out of range. Expected 1..64. Received 0"),
        ({"more": ["loudness"]}, "Unknown attribute. Expected one of .*density.* Received 'loudness'"),
    ):
        with pytest.raises(ControlError, match=text):
            vary_latent(tune(4), model=result.package, **options)
    with pytest.raises(ControlError, match="steps out of range. Expected 2..64. Received 1"):
        blend(tune(4), tune(4), steps=1, model=result.package)
    with pytest.raises(InputError, match="The two pieces have different metres. .* Received 4/4 and 3/4. hint: --meter 4/4"):
        blend(tune(4), tune(4, meter=(3, 4)), model=result.package)
    with pytest.raises(PackageError, match="The package 'default' has no latent space"):
        blend(tune(4), tune(4), model="default")


def test_a_package_of_another_grid_is_refused(result, tmp_path):
    import dataclasses

    other = dataclasses.replace(result.package, manifest={**result.package.manifest, "grid": "sixteenths/9"})
    with pytest.raises(PackageError, match="'tiny-vae' has another grid. Expected sixteenths/1. Received sixteenths/9"):
        LatentModel(other)


def test_recipes_are_of_the_family():
    assert load_recipe("vae").family == "vae" and VAESizes(**load_recipe("vae").sizes).bars == 2
    with pytest.raises(InputError, match="Window out of range. Expected 1..64 bars, 1..8 lines. Received 0 bars"):
        VAESizes(bars=0)


def test_the_verbs(result, tmp_path, capsys):
    import json

    from zhiyin.app.cli.main import main

    a, b = save(tune(8, seed=1), tmp_path / "a.mid"), save(tune(8, seed=2), tmp_path / "b.mid")
    model = ["--model", str(result.package.folder), "--json"]
    assert main(["vary", str(a), "--method", "latent", "-o", str(tmp_path / "v.mid"), "--seed", "1", *model]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == 1 and (tmp_path / "v.mid").is_file()
    assert main(["blend", str(a), str(b), "-o", str(tmp_path / "x.mid"), *model]) == 1
    assert "blend writes several pieces. Expected a folder" in capsys.readouterr().err
    assert main(["blend", str(a), str(b), "--meter", "x", *model]) == 1
    assert "Unknown metre. Expected two numbers as 3/4. Received 'x'" in capsys.readouterr().err
    assert load_package(result.package.folder).name == "tiny-vae"


def test_a_change_of_metre_in_the_middle_keeps_every_bar(result):
    from zhiyin.score import bars_array

    lengths = [96, 96, 96, 72, 72, 96]  # windows of two bars end where the metre changes
    bars = bars_array(lengths, meter_numerator=[4, 4, 4, 3, 3, 4])
    onsets = np.r_[0, np.cumsum(lengths)[:-1]]
    score = Score(notes_array(onset=onsets, duration=24, pitch=62 + np.arange(6)), bars, (Part("", 0),), 24, timing="notated")
    line = windows_of(_piece(score), [0], 2)
    assert line.length.tolist() == [2, 2, 1, 2] and len(in_a_row(line.grid, np.array([16, 16, 16, 12, 12, 16]))) == 6
    made = vary_latent(score, amount=0.0, model=result.package, temperature=1.0, seed=2)
    assert made.score.bars["duration"].tolist() == lengths

"""Training on a corpus of tunes written here: batches, exact resume, folder to package, fine-tuning, bad input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from music import tune
from zhiyin.corpus.store import Corpus, open_corpus
from zhiyin.encoding.fields import END
from zhiyin.errors import CorpusError, InputError, TrainingError
from zhiyin.formats.catalog import save
from zhiyin.models.catalog import FAMILIES, build
from zhiyin.provenance.package import load_package
from zhiyin.training.batches import Batches, PieceArrays, draw_given, splits, transposed, valid_batches, window
from zhiyin.training.checkpoint import NAME
from zhiyin.training.loop import _Loop, measure, train_model
from zhiyin.training.recipe import Recipe, load_recipe, parse_recipe, recipe_names
from zhiyin.training.relabel import relabel
from zhiyin.training.restore import restore_network
from zhiyin.training.train import TrainOptions, fine_tune, train

TINY = {"width": 32, "head_hidden": 32}
RECIPE = Recipe(
    family="lstm",
    steps=6,
    batch_rows=256,
    window=64,
    validations=2,
    valid_rows=0,
    patience=0,
    precision="fp32",
    sizes={**TINY, "hidden": 32, "layers": 1},
)


def write_folder(folder: Path, count: int, tonic: int = 62) -> Path:
    for i in range(count):
        style = folder / ("slow" if i % 2 else "quick")
        style.mkdir(parents=True, exist_ok=True)
        save(tune(12, seed=i, tonic=tonic, parts=1 + i % 2), style / f"tune{i}.mid")
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    from zhiyin.corpus.build import build as build_corpus

    root = tmp_path_factory.mktemp("corpus")
    build_corpus([write_folder(root / "files", 24)], root / "built")
    return open_corpus(root / "built")


def test_the_corpus_holds_every_tune(corpus):
    assert len(corpus.table) == 24
    assert set(corpus.styles) == {"quick", "slow"}


def test_a_batch_depends_on_seed_and_step_alone(corpus):
    first, again = Batches(corpus, RECIPE), Batches(corpus, RECIPE)
    for name, value in first.batch(5).items():
        assert np.array_equal(value, again.batch(5)[name])
    assert not np.array_equal(first.batch(5)["inputs"], first.batch(6)["inputs"])
    assert not np.array_equal(first.batch(5)["inputs"], first.batch(5, rank=1)["inputs"])


def test_held_out_windows_score_every_note_once(corpus):
    scored = sum(int(b["scored"].sum()) for _, b in valid_batches(corpus, RECIPE, split="train"))
    assert scored == sum(p.notes + 1 for p in corpus.pieces("train"))


def test_a_window_sees_the_row_before_it(corpus):
    arrays = PieceArrays(**{n: corpus.arrays(0)[n] for n in ("rows", "bars", "programs", "controls")})
    whole, _ = window(arrays, 0, 1000)
    part, cut = window(arrays, 20, 16)
    assert np.array_equal(part.targets, whole.targets[20:36])
    assert np.array_equal(part.inputs[:, 1:6], whole.inputs[20:36, 1:6])
    last, _ = window(arrays, len(arrays.rows) - 3, 16)
    assert last.targets[-1, 0] == END and len(last.inputs) == 4
    assert len(cut.bars) <= len(arrays.bars)


def test_transposition_moves_pitch_and_key_together(corpus):
    arrays = PieceArrays(**{n: corpus.arrays(0)[n] for n in ("rows", "bars", "programs", "controls")})
    up = transposed(arrays, 2)
    assert (up.rows[:, 3] - arrays.rows[:, 3] == 2).all()
    assert (up.bars[:, 4] - arrays.bars[:, 4]).tolist() == [2] * len(arrays.bars)
    back = transposed(up, -2)
    assert np.array_equal(back.bars, arrays.bars) and np.array_equal(back.rows, arrays.rows)


def test_given_masks_always_leave_something_to_write(corpus):
    rng = np.random.default_rng(0)
    drawn = [draw_given(corpus.arrays(1)["rows"], rng) for _ in range(60)]
    masks = [m for m in drawn if m is not None]
    assert len(masks) > 40
    assert all(splits(corpus.arrays(1)["rows"], m) for m in masks)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns(corpus, family, tmp_path):
    torch.manual_seed(0)
    sizes = {**TINY, "layers": 1} | ({"heads": 2, "hidden": 64} if family == "transformer" else {"hidden": 32})
    recipe = RECIPE.replace(family=family, sizes=sizes, steps=60, learning_rate=1e-2, ema=0.9)
    run = train_model(build(family, **sizes), Batches(corpus, recipe), recipe, tmp_path)
    first, last = run.progress.history[0]["nats"], run.progress.best
    assert last < first - 0.3
    assert last == pytest.approx(min(h["nats"] for h in run.progress.history))


def test_a_killed_run_resumes_on_the_same_curve(corpus, tmp_path):
    recipe = RECIPE.replace(steps=8, validations=4)

    def fresh():
        torch.manual_seed(3)
        return build("lstm", **recipe.sizes)

    whole = train_model(fresh(), Batches(corpus, recipe), recipe, tmp_path / "whole")

    class Killed(Exception):
        pass

    def kill(event):
        if event["kind"] == "valid" and event["step"] == 4:
            raise Killed

    import zhiyin.training.loop as loop

    saved, loop.CHECKPOINT_SECONDS = loop.CHECKPOINT_SECONDS, 0.0
    try:
        with pytest.raises(Killed):
            train_model(fresh(), Batches(corpus, recipe), recipe, tmp_path / "killed", report=kill)
    finally:
        loop.CHECKPOINT_SECONDS = saved
    assert (tmp_path / "killed" / NAME).is_file()
    resumed = train_model(fresh(), Batches(corpus, recipe), recipe, tmp_path / "killed")
    curve = [(h["step"], h["nats"]) for h in whole.progress.history]
    assert [(h["step"], h["nats"]) for h in resumed.progress.history] == curve
    told = []
    again = train_model(fresh(), Batches(corpus, recipe), recipe, tmp_path / "killed", report=told.append)
    assert [(e["kind"], e["step"]) for e in told] == [("finished", 8)], "a finished run says so and learns nothing more"
    assert again.progress.step == 8
    logged = [json.loads(line) for line in (tmp_path / "killed" / "log.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in logged if line["kind"] == "valid"]
    assert steps == sorted(set(steps))


def test_another_recipe_in_the_same_folder_is_refused(corpus, tmp_path):
    train_model(build("lstm", **RECIPE.sizes), Batches(corpus, RECIPE), RECIPE, tmp_path)
    other = RECIPE.replace(learning_rate=0.5)
    with pytest.raises(
        TrainingError, match=r"another recipe or learnt from other files.*learning_rate = 0.5 \(was 0.001\)"
    ):
        train_model(build("lstm", **RECIPE.sizes), Batches(corpus, other), other, tmp_path)


@pytest.mark.slow
def test_folder_to_package_to_music_to_fine_tuned_package(tmp_path):
    from zhiyin.inference.compose import compose

    folder = write_folder(tmp_path / "tunes", 16)
    recipe = RECIPE.replace(steps=150, learning_rate=1e-2, ema=0.9)
    options = TrainOptions(name="tunes", out=tmp_path / "package", run_folder=tmp_path / "run")
    result = train(folder, recipe=recipe, options=options)
    package = load_package(tmp_path / "package")
    assert package.hash == result.package.hash
    assert {s["name"] for s in package.manifest["styles"]} == {"quick", "slow"}
    assert (tmp_path / "run" / "loss.png").read_bytes()[:4] == b"\x89PNG"
    assert "nats per note" in (package.folder / "card.md").read_text()
    network = restore_network(package)
    corpus = open_corpus(tmp_path / "run" / "corpus")
    split = "valid" if corpus.pieces("valid") else "train"
    again = measure(network, valid_batches(corpus, recipe, split=split), torch.device("cpu"), recipe)
    assert again["nats"] == pytest.approx(result.nats, rel=0.01)
    made = compose(model=package, bars=4, takes=1, candidates=1, seed=1)
    assert made.score.bar_count == 4
    others = write_folder(tmp_path / "others", 8, tonic=65)
    (others / "quick").rename(others / "marches")
    tuned = fine_tune(
        others, package, minutes=0.1, options=TrainOptions(out=tmp_path / "tuned", run_folder=tmp_path / "run2")
    )
    assert {s["name"] for s in tuned.package.manifest["styles"]} == {"quick", "slow", "marches"}
    seen = relabel(open_corpus(tmp_path / "run2" / "corpus"), package.manifest)
    cpu = torch.device("cpu")
    was, now = (
        measure(restore_network(p), valid_batches(seen, recipe, split="train"), cpu, recipe)["nats"]
        for p in (package, tuned.package)
    )
    assert now < was  # on the pieces it was tuned on; one held-out tune would be luck
    assert np.isfinite(tuned.old_before) and np.isfinite(tuned.old_after)
    stage = recipe.replace(steps=30, learning_rate=2e-3, given_share=0.5, sizes={})
    further = fine_tune(
        tmp_path / "run" / "corpus", package, recipe=stage, options=TrainOptions(out=tmp_path / "further", run_folder=tmp_path / "run3")
    )
    manifest = further.package.manifest
    assert manifest["collections"] == package.manifest["collections"] and manifest["sizes"] == package.manifest["sizes"]
    assert manifest["recipe"]["given_share"] == 0.5 and further.steps == 30
    with pytest.raises(TrainingError, match="Family and recipe differ.*a recipe of the family lstm"):
        fine_tune(tmp_path / "run" / "corpus", package, recipe="default-further", options=TrainOptions(run_folder=tmp_path / "run4"))


def test_new_labels_take_free_classes(corpus):
    seen = relabel(corpus, {"styles": [{"name": "slow", "id": 9}, {"name": "x", "id": 1}], "composers": []})
    assert seen.styles["slow"]["id"] == 9 and seen.styles["quick"]["id"] == 2
    piece = corpus.pieces(style="slow")[0]
    assert seen.arrays(piece)["controls"].ravel()[0] == 9


@pytest.mark.slow
def test_torchrun_shares_the_work(corpus, tmp_path):
    script = tmp_path / "go.py"
    script.write_text(
        "import sys, torch\nfrom pathlib import Path\nfrom zhiyin.corpus.store import open_corpus\nfrom zhiyin.models.catalog import build\n"
        "from zhiyin.training.batches import Batches\nfrom zhiyin.training.loop import train_model\nfrom zhiyin.training.recipe import Recipe\n"
        "torch.set_num_threads(1)\ntorch.manual_seed(0)\n"
        f"r = Recipe(family='rnn', steps=4, batch_rows=256, window=64, validations=1, precision='fp32', sizes={{'width': 32, 'head_hidden': 32, 'hidden': 32, 'layers': 1}})\n"
        "m = build('rnn', **r.sizes)\n"
        f"run = train_model(m, Batches(open_corpus({str(corpus.path)!r}), r), r, Path({str(tmp_path / 'run')!r}))\n"
        "total = sum(p.double().sum() for p in run.model.parameters())\nprint('SUM', float(total), run.progress.rows)\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29533", str(script)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=env, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("SUM") == 2
    sums = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("SUM")}
    assert len(sums) == 1  # both ranks hold the same weights


def test_recipes_are_flat_known_and_buildable():
    assert {"classic", "default", "gru", "lstm", "rnn", "transformer"} <= set(recipe_names())
    recipes = [load_recipe(name) for name in recipe_names()]
    networks = [r for r in recipes if r.family != "style"]  # that family fits arrays: tests/test_classify.py
    assert len(networks) >= 7
    for recipe in networks:
        assert build(recipe.family, **recipe.sizes).parameter_count > 0
    classic = load_recipe("classic")
    model = build(classic.family, **classic.sizes)
    assert (classic.sizes["layers"], classic.sizes["hidden"], classic.sizes["dropout"]) == (2, 128, 0.2)
    assert (classic.batch_pieces, classic.epochs) == (64, 100)
    assert model.trunk.layers.num_layers == 2 and model.trunk.layers.hidden_size == 128


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wdith = 3", "unknown key. Expected keys of a recipe.*Received wdith.*'width'"),
        ("family = 'cnn'", "Unknown family"),
        ("a = [", "not valid TOML"),
    ],
)
def test_bad_recipes_are_named(text, words):
    with pytest.raises(TrainingError, match=words):
        parse_recipe(text, "mine")


def test_bad_input_is_named(tmp_path):
    with pytest.raises(TrainingError, match="No recipe 'classik'.*'classic'"):
        load_recipe("classik")
    with pytest.raises(InputError, match="is not a folder"):
        train(tmp_path / "nowhere", family="lstm")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="nothing to build from"):
        train(tmp_path / "empty", family="lstm", options=TrainOptions(run_folder=tmp_path / "r1"))
    with pytest.raises(TrainingError, match=r"minutes out of range. Expected > 0"):
        train(tmp_path / "empty", family="lstm", minutes=-1)
    with pytest.raises(TrainingError, match="Family and recipe differ"):
        train(tmp_path / "empty", family="lstm", recipe="transformer")
    silent = type("Silent", (), {"recipe": Recipe(), "batches": None, "world": 1})()
    with pytest.raises(TrainingError, match="does not say how long"):
        _Loop._fixed_total(silent)


def test_one_piece_and_pieces_of_one_note(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    save(tune(4), folder / "only.mid")
    result = train(folder, recipe=RECIPE, options=TrainOptions(out=tmp_path / "p", run_folder=tmp_path / "r"))
    assert result.package.manifest["metrics"]["split"] == "train"  # and the card says so
    assert "TRAINING pieces" in (result.package.folder / "card.md").read_text()
    single = tmp_path / "single"
    single.mkdir()
    for i in range(3):
        score = tune(1, seed=i)
        save(score.replace(notes=score.notes[-1:]), single / f"{i}.mid")
    with pytest.raises((TrainingError, CorpusError), match="Nothing to train on|nothing|no piece"):
        train(single, recipe=RECIPE, options=TrainOptions(out=tmp_path / "p2", run_folder=tmp_path / "r2"))

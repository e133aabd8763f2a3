"""The GAN: rolls to notes and back, what its losses are, exact resume, its package, and composing from it."""

import json

import numpy as np
import pytest
import torch

from music import tune
from zhiyin.encoding import EncodedPiece, decode, encode
from zhiyin.encoding.bar_roll import LOWEST, in_range, roll_of, rows_of_roll
from zhiyin.encoding.sixteenths import lines_of
from zhiyin.errors import ControlError, InputError, PackageError, TrainingError
from zhiyin.formats.catalog import load, save
from zhiyin.inference.bars import compose_bars
from zhiyin.models.gan import GAN, GANSizes, GenerateGraph
from zhiyin.training.adversarial import train_gan
from zhiyin.training.recipe import Recipe, load_recipe
from zhiyin.training.train import TrainOptions, train
from zhiyin.training.windows import Windows

TINY = {"bars": 2, "lines": 2, "noise": 74, "width": 24, "slot_width": 6, "critic_channels": 6, "critic_steps": 1}
RECIPE = Recipe(family="gan", steps=6, batch_pieces=6, validations=2, learning_rate=1e-3, ema=0.5, sizes=TINY)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    root = tmp_path_factory.mktemp("gan")
    (root / "tunes").mkdir()
    for i in range(6):
        save(tune(10, seed=i, parts=2, meter=(4, 4) if i % 2 else (3, 4)), root / "tunes" / f"tune{i}.mid")
    said = []
    made = train(root / "tunes", recipe=RECIPE, options=TrainOptions(name="tiny-gan", out=root / "package", run_folder=root / "run"), report=said.append)
    return made, said


def test_lines_become_rolls_and_come_back():
    for seed, meter in enumerate([(4, 4), (3, 4), (2, 4)]):
        piece = encode(tune(8, seed=seed, parts=2, meter=meter))[0]
        lines = lines_of(piece, [0, 1])
        grid = lines.grid[None]
        assert in_range(grid).all()
        rows = rows_of_roll(roll_of(grid)[0], [8, 12, 16].index(int(lines.length[0])))
        assert np.array_equal(rows[:, :5], piece.rows[:, :5])


def test_no_cell_is_lost_and_no_note_is_made_up():
    rng = np.random.default_rng(0)
    for _ in range(10):
        roll = (rng.random((3, 4, 16, 72, 2)) < 0.05).astype(np.uint8)
        rows = rows_of_roll(roll, 2)
        sounds = np.zeros((3, 64, 72), dtype=int)
        from zhiyin.encoding.fields import DURATIONS

        for bar, position, part, pitch, duration, _ in rows.tolist():
            at = bar * 16 + position // 6
            sounds[part, at : at + DURATIONS[duration] // 6, pitch - LOWEST] += 1
        assert np.array_equal(sounds, roll[..., 0].reshape(3, 64, 72))
        table = encode(tune(4, parts=3))[0].bars
        assert decode(EncodedPiece(rows, table, np.array([0, 1, 2], dtype=np.uint8), np.zeros(5, dtype=np.int16))).bar_count == 4
    assert not len(rows_of_roll(np.stack([np.zeros((1, 1, 16, 72)), np.ones((1, 1, 16, 72))], -1), 2))  # struck but silent


def test_pitches_outside_the_roll_are_told():
    grid = np.full((2, 1, 16, 1), 1, dtype=np.uint8)
    grid[0, 0, 0, 0], grid[1, 0, 0, 0] = 2 + 28, 2 + 27
    assert in_range(grid).tolist() == [True, False]


def test_the_penalty_wants_slope_one_and_the_critic_learns():
    torch.manual_seed(0)
    model = GAN(GANSizes(**TINY))
    real = (torch.rand(6, 2, 2, 16, 72, 2) < 0.05).float()
    length = torch.full((6,), 2)
    first = model.critic_loss(real, length)[0]
    assert first.item() == pytest.approx(10.0, rel=0.5)  # a fresh critic is nearly flat: λ (0 − 1)²
    optimiser = torch.optim.Adam(model.critic.parameters(), 2e-3)
    for _ in range(25):
        optimiser.zero_grad()
        loss, apart = model.critic_loss(real, length)
        loss.backward()
        optimiser.step()
    assert loss < first and apart > 0


def test_the_generator_is_binary_and_has_gradients():
    torch.manual_seed(0)
    model = GAN(GANSizes(**TINY))
    made = model.generator(model.noise(3), torch.tensor([0, 1, 2]))
    assert set(made.detach().unique().tolist()) <= {0.0, 1.0} and not made[0, :, :, 8:].any() and not made[1, :, :, 12:].any()
    assert not (made[..., 1] > made[..., 0]).any()
    noise, length = model.noise(8), torch.arange(8) % 3
    assert torch.equal(GenerateGraph(model)(noise, length), model.generator(noise, length).detach())
    model.generator_loss(torch.tensor([0, 1, 2])).backward()
    assert model.generator.unfold.weight.grad.abs().sum() > 0


def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(result, tmp_path):
    from zhiyin.corpus.store import open_corpus

    corpus = open_corpus(result[0].run_folder / "corpus")
    windows = Windows(corpus, RECIPE)

    def run(folder, steps):
        torch.manual_seed(1)
        recipe = RECIPE.replace(steps=6)
        model = GAN(GANSizes(**TINY))
        if steps < 6:  # stopped by force
            from zhiyin.training.adversarial import _Adversaries
            from zhiyin.training.checkpoint import save_checkpoint
            from zhiyin.training.loop import Log

            loop = _Adversaries(model, windows, recipe, folder, torch.device("cpu"), lambda _: None)
            loop.progress.total = 6
            log = Log(folder, 0)
            for _ in range(steps):
                loop._step()
                if loop.progress.step % max(1, 6 // recipe.validations) == 0:
                    loop._look(log)
            log.close()
            save_checkpoint(folder, loop.weights, loop.progress, loop.identity)
            model = GAN(GANSizes(**TINY))
        return train_gan(model, windows, recipe, folder).model

    whole, resumed = run(tmp_path / "a", 6), run(tmp_path / "b", 3)
    for a, b in zip(whole.parameters(), resumed.parameters()):
        assert torch.allclose(a, b, atol=1e-6)


def test_training_tells_how_it_goes(result):
    made, said = result
    assert made.package.manifest["family"] == "gan" and made.package.manifest["programs"] == [40, 41]
    assert {"start", "train", "valid"} & {e["kind"] for e in said} >= {"start", "valid"}
    valid = [json.loads(line) for line in (made.run_folder / "log.jsonl").read_text().splitlines() if '"valid"' in line]
    assert 0 <= valid[-1]["sounding"] <= 1 and 0 < valid[-1]["sounding_real"] < 0.2 and 0 < valid[-1]["different"] <= 1
    assert "writes windows of 2 bars and 2 parts from noise" in (made.package.folder / "card.md").read_text()
    with pytest.raises(PackageError, match="'tiny-gan' does not compose"):
        made.package.graph_path("step.onnx")


@pytest.fixture
def loud(result, tmp_path):
    """A package that surely sounds: an untrained generator whose register is raised."""
    from zhiyin.provenance.package import write_package
    from zhiyin.training.export_gan import export_gan

    torch.manual_seed(0)
    model = GAN(GANSizes(**TINY))
    with torch.no_grad():
        model.generator.register.fill_(-0.05)
    (tmp_path / "staged").mkdir()
    graphs = export_gan(model, tmp_path / "staged")
    manifest = {k: v for k, v in result[0].package.manifest.items() if k not in ("files", "format")}
    return write_package(tmp_path / "loud", tmp_path / "staged", {**manifest, "graphs": graphs}, "card")


def test_bars_are_composed_from_noise(loud, tmp_path, capsys):
    from zhiyin.app.cli.main import main

    one, two = compose_bars(model=loud, bars=7, seed=3), compose_bars(model=loud, bars=7, seed=3, takes=2)
    assert one.score.bar_count == 7 and np.array_equal(one.score.notes, two.pieces[0].score.notes)
    assert not np.array_equal(two.pieces[0].score.notes, two.pieces[1].score.notes) and one.record["verb"] == "compose"
    waltz = compose_bars(model=loud, bars=3, seed=1, meter=(3, 4)).score
    assert (waltz.bars["duration"] == 72).all() and len(waltz.parts) == 2
    model = ["--model", str(loud.folder)]
    assert main(["compose", *model, "--bars", "4", "--seed", "1", "-o", str(tmp_path / "n.mid"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bars"] == 4 and len(load(tmp_path / "n.mid").notes)
    assert main(["compose", "a waltz", *model, "-o", str(tmp_path / "m.mid")]) == 1
    assert "does not follow this. Expected nothing but bars, meter, tempo_qpm, seed, takes, title. Received words" in capsys.readouterr().err
    assert not (tmp_path / "m.mid").exists()


def test_wrong_wishes(loud):
    for options, text in (
        ({"bars": 0}, "bars out of range. Expected 1..1000. Received 0"),
        ({"meter": (5, 4)}, "Wrong metre for this model. Expected bars of 8, 12, 16 sixteenths .* Received 5/4"),
        ({"kinship": 2.0}, "kinship out of range. Expected 0..1. Received 2"),
    ):
        with pytest.raises(ControlError, match=text):
            compose_bars(model=loud, **options)
    with pytest.raises(PackageError, match="The package 'default' does not write bars from noise"):
        compose_bars(model="default")
    import dataclasses

    with pytest.raises(PackageError, match="has another roll. Expected bar-roll/1. Received bar-roll/0"):
        compose_bars(model=dataclasses.replace(loud, manifest={**loud.manifest, "roll": "bar-roll/0"}))


def test_what_cannot_be_trained_on_is_said(result, tmp_path):
    from zhiyin.corpus.store import open_corpus

    corpus = open_corpus(result[0].run_folder / "corpus")
    with pytest.raises(TrainingError, match="Nothing to train on. Expected ≥ 1 window of 2 bars"):
        Windows(corpus, RECIPE.replace(sizes={**TINY, "lines": 5}))
    with pytest.raises(TrainingError, match="The recipe does not say how long to train"):
        train_gan(GAN(GANSizes(**TINY)), Windows(corpus, RECIPE), RECIPE.replace(steps=0), tmp_path)
    with pytest.raises(InputError, match="Window out of range. Expected 1..16 bars, 1..8 parts. Received 99 bars"):
        GANSizes(bars=99)
    assert load_recipe("gan").sizes["bars"] == 4

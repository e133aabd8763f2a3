"""The style classifier: learns labels of a folder or a table, says how sure it is and why, and goes on past bad files."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from music import tune
from zhiyin.app.cli.classify import _print as print_verdicts
from zhiyin.app.cli.main import main
from zhiyin.encoding import encode
from zhiyin.errors import ControlError, FormatError, InputError, PackageError, TrainingError
from zhiyin.formats.catalog import load, save
from zhiyin.inference.classify import (
    Answer,
    check_table,
    classify,
    classify_files,
    inputs_of_files,
    score_files,
    verdicts,
    write_table,
)
from zhiyin.inference.classify import Verdict as StyleVerdict
from zhiyin.inference.judge import Verdict, choose
from zhiyin.inference.style_check import StyleCheck
from zhiyin.inference.style_grams import SIZE, grams
from zhiyin.inference.style_inputs import Hearing, windows
from zhiyin.inference.style_model import StyleModel, distance_of, likeness, open_model, pack, rounded, softmax, unpack
from zhiyin.measures.descriptors import DESCRIPTORS, NAMES
from zhiyin.provenance.package import STYLE, load_package
from zhiyin.score import Part, Score, notes_array, regular_bars
from zhiyin.training.recipe import load_recipe, parse_recipe
from zhiyin.training.style_fit import (
    Examples,
    StyleSizes,
    cross_fit,
    drawn,
    fit,
    folds_of,
    known_labels,
    temperature_of,
)
from zhiyin.training.train import TrainOptions, train

METERS = {"march": (4, 4), "waltz": (3, 4), "jig": (6, 8)}


def dance(kind: str, seed: int, **how) -> Score:
    """A tune in the meter of a dance."""
    return tune(12, seed=1000 * list(METERS).index(kind) + seed, meter=METERS[kind], **how)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight tunes each of three dances, a folder per label."""
    root = tmp_path_factory.mktemp("dances")
    for kind in METERS:
        (root / kind).mkdir()
        for i in range(8):
            save(dance(kind, 100 + i), root / kind / f"{i}.mid")
    return root


@pytest.fixture(scope="module")
def result(folder, tmp_path_factory):
    """A package that learnt them."""
    out = tmp_path_factory.mktemp("out")
    return train(folder, family="style", options=TrainOptions(name="dances", out=out / "package", run_folder=out / "run"))


@pytest.fixture(scope="module")
def package(result):
    return result.package


def test_it_learns_a_folder_and_says_how_sure_it_is(result):
    held = result.package.manifest["metrics"]["held_out"][0]
    assert (held["n"], held["labels"]) == (24, 3) and held["accuracy"] >= 0.9 > held["majority"]
    verdict = classify(dance("jig", 7), model=result.package)
    assert verdict.style == "jig" and not verdict.none
    answers = verdict.answers["style"]
    assert answers[0].label == "jig" and sum(a.probability for a in answers) == pytest.approx(1, abs=1e-5)
    assert answers[0].probability > 0.6 and [a.probability for a in answers] == sorted((a.probability for a in answers), reverse=True)


def test_a_table_of_files_and_labels_does_as_well(folder, tmp_path):
    rows = [(path, path.parent.name, path.stem) for path in sorted(folder.rglob("*.mid"))]
    with (tmp_path / "mine.csv").open("w", newline="") as out:
        csv.writer(out).writerows([("file", "label", "work"), *rows, (tmp_path / "gone.mid", "jig", "x")])
    said = []
    found = train(tmp_path / "mine.csv", family="style", options=TrainOptions(out=tmp_path / "p", run_folder=tmp_path / "r"), report=said.append)
    assert found.package.manifest["metrics"]["held_out"][0]["n"] == 24
    built = next(e for e in said if e["kind"] == "built")
    assert built["failed"] == 1 and "gone.mid" in built["failures"][0]["path"]


def test_transposed_and_played_at_another_tempo_it_is_the_same(package):
    first = classify(dance("waltz", 9), model=package)
    moved = dance("waltz", 9, tonic=67)
    slower = moved.replace(bars=_at_tempo(moved.bars, 40.0))
    for other in (moved, slower):
        assert classify(other, model=package).answers["style"][0].probability == pytest.approx(first.answers["style"][0].probability, abs=0.02)


def _at_tempo(bars, qpm):
    out = bars.copy()
    out["tempo_qpm"] = qpm
    return out


def test_it_says_why_in_words_and_which_bars(package):
    verdict = classify(dance("jig", 3), model=package)
    assert verdict.reasons_for and all(r.weight > 0 for r in verdict.reasons_for) and all(r.weight < 0 for r in verdict.reasons_against)
    reason = verdict.reasons_for[0]
    assert reason.name in NAMES and reason.text in reason.said() and "usual here" in reason.said()
    told = verdict.as_dict()
    assert told["answers"]["style"][0]["label"] == "jig" and json.dumps(told)
    first, last = map(int, told["bars"][0]["bars"].split("-"))
    assert 1 <= first <= last <= 12


def test_what_speaks_for_is_nearer_to_the_label_than_to_the_others(package):
    for kind in METERS:
        verdict = classify(dance(kind, 5), model=package)
        spoke = [r for r in verdict.reasons_for if verdict.style == kind]
        assert spoke and all(abs(r.value - r.usual) < abs(r.value - r.elsewhere) for r in spoke)


def test_music_from_afar_is_none_of_these(package):
    rng = np.random.default_rng(0)
    at = np.sort(rng.integers(0, 480 * 60, 400))
    noise = notes_array(onset=at, duration=rng.integers(1, 2000, 400), pitch=rng.integers(20, 110, 400), part=0)
    verdict = classify(Score(noise, regular_bars(20, 480, 4, 4), (Part("", 0),), 480), model=package)
    assert verdict.none and verdict.style == "" and verdict.distance > 1 and verdict.first


def test_bad_pieces_are_named(package, tmp_path):
    empty = dance("jig", 1).replace(notes=dance("jig", 1).notes[:0])
    with pytest.raises(InputError, match=r"Too few notes to recognise a style. Expected at least 8 notes. Received 0"):
        classify(empty, model=package)
    with pytest.raises(InputError, match=r"Received 3"):
        classify(dance("jig", 1).replace(notes=dance("jig", 1).notes[:3]), model=package)
    with pytest.raises(InputError, match=r"top out of range. Expected at least 1. Received 0"):
        classify(dance("jig", 1), model=package, top=0)
    with pytest.raises(PackageError, match=r"The package 'default' does not classify. Expected a package with style.npz"):
        classify(dance("jig", 1), model="default")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"Nothing to describe in .*empty. Expected score files"):
        score_files([tmp_path / "empty"])


def test_drums_alone_and_a_hundred_thousand_notes_get_a_verdict(package):
    notes = notes_array(onset=np.arange(64) * 240, duration=120, pitch=[36, 42, 38, 42] * 16, part=0)
    drums = Score(notes, regular_bars(8, 480, 4, 4), (Part("Drums", 0, True),), 480)
    assert classify(drums, model=package).distance > 0
    many = tune(1, seed=1)
    notes = notes_array(onset=np.arange(100_000) * 120, duration=120, pitch=60 + np.arange(100_000) % 12, part=0)
    long = Score(notes, regular_bars(6250, 480, 4, 4), many.parts, 480)
    assert 1 <= len(classify(long, model=package).answers["style"]) <= 3


def test_a_batch_goes_on_past_bad_files(folder, package, tmp_path, capsys):
    save(dance("jig", 50), tmp_path / "a.mid")
    (tmp_path / "b.mid").write_bytes(b"MThd nothing")
    save(dance("jig", 1).replace(notes=dance("jig", 1).notes[:3]), tmp_path / "c.mid")
    save(dance("waltz", 51), tmp_path / "d.mid")
    table = tmp_path / "t.csv"
    assert main(["classify", str(tmp_path), "--model", str(package.folder), "--json", "-o", str(table)]) == 3
    told = json.loads(capsys.readouterr().out)
    assert sorted(told["verdicts"]) == [str(tmp_path / "a.mid"), str(tmp_path / "d.mid")]
    assert [f["path"] for f in told["failures"]] == [str(tmp_path / "b.mid"), str(tmp_path / "c.mid")]
    assert "Too few notes" in told["failures"][1]["reason"] and "b.mid" in told["failures"][0]["reason"]
    rows = list(csv.DictReader(table.open()))
    assert [r["style_1"] for r in rows] == ["jig", "waltz", "", ""] and rows[3]["error"].startswith("Too few notes")
    assert main(["classify", str(tmp_path), "--model", str(package.folder), "--top", "1"]) == 3
    out, err = capsys.readouterr()
    assert "style: jig" in out and "failed: " in err and "2 classified, 2 failed" in err


def test_a_piece_that_cannot_be_heard_costs_the_batch_nothing(folder, monkeypatch):
    files = [str(p) for p in sorted(folder.rglob("*.mid"))[:3]]
    real, hearing = Hearing.inputs, Hearing("", "")
    bad = encode(load(files[1]))[0].rows

    def breaks(self, pieces):
        if any(np.array_equal(p.rows, bad) for p in pieces):
            raise RuntimeError("inside a library")
        return real(self, pieces)

    monkeypatch.setattr(Hearing, "inputs", breaks)
    good, x, failed = inputs_of_files(files, hearing)
    assert good == [files[0], files[2]] and len(x) == 2
    assert [(f.path, f.reason) for f in failed] == [(files[1], "RuntimeError: inside a library")]


def test_several_processes_say_the_same(folder, package):
    files = sorted(folder.rglob("*.mid")) * 3
    one, _ = classify_files(files, model=package, workers=1)
    two, failed = classify_files(files, model=package, workers=2)
    assert not failed and one == two and len(one) == 24


def test_tables_and_verdicts_of_the_command(folder, package, tmp_path, capsys):
    file = next(folder.rglob("*.mid"))
    with pytest.raises(FormatError, match=r"t.xlsx is no table. Expected .csv or .parquet. Received .xlsx"):
        check_table(tmp_path / "t.xlsx")
    assert main(["classify", str(file), "--model", str(package.folder), "--top", "2"]) == 0
    out = capsys.readouterr().out
    assert "style" in out and "for  " in out and "speak most for" in out


def test_many_files_are_starred_as_one_file_is(tmp_path, capsys):
    alone = StyleVerdict({"style": (Answer("jig", 0.9, "cre-irish"), Answer("waltz", 0.1))}, False, 0.5)
    far = StyleVerdict({"style": (Answer("jig", 0.9, "cre-irish"),)}, True, 1.5)
    for found in ({"a.mid": alone}, {"a.mid": alone, "b.mid": far}):
        print_verdicts(found, quiet=False)
        out, err = capsys.readouterr()
        assert "jig* 90 %, waltz 10 %" in out and err.count("* known from one collection alone") == 1
    assert "none of these (nearest: jig*)" in out
    write_table(tmp_path / "t.csv", {"a.mid": alone}, [])
    row = next(csv.DictReader((tmp_path / "t.csv").open()))
    assert (row["style_1"], row["style_1_one_collection"], row["style_2_one_collection"]) == ("jig", "cre-irish", "")


def test_no_scikit_learn_and_no_torch_at_use(folder, package):
    import subprocess
    import sys

    script = (
        "import sys\nfor m in ('torch', 'sklearn', 'scipy', 'matplotlib'): sys.modules[m] = None\n"
        f"import zhiyin as zy; print(zy.classify({str(next(folder.rglob('*.mid')))!r}, model={str(package.folder)!r}).style)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.strip() in METERS, done.stderr


# --- the arrays


def test_arrays_come_back_and_damage_is_named(package):
    model = open_model(package)
    names = [{"name": h.name, "classes": h.classes} for h in model.heads]
    again = unpack(pack(model), names, model.hearing)
    x = model.hearing.inputs([encode(dance("jig", 4))[0]])
    assert verdicts(again, x)[0].answers["style"][0].probability == pytest.approx(verdicts(model, x)[0].answers["style"][0].probability, abs=1e-6)
    with pytest.raises(PackageError, match=r"style.npz is damaged"):
        unpack(b"PK nothing", names)
    with pytest.raises(PackageError, match=r"does not fit the manifest"):
        unpack(pack(model), [{"name": "style", "classes": ["a", "b"]}])
    with pytest.raises(PackageError, match=r"no such label set. Expected style. Received mood"):
        model.head("mood")


def test_an_altered_or_foreign_package_is_refused(package, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(package.folder, copy)
    data = bytearray((copy / STYLE).read_bytes())
    data[100] ^= 1
    (copy / STYLE).write_bytes(bytes(data))
    with pytest.raises(PackageError, match=r"style.npz was altered"):
        load_package(copy)
    shutil.rmtree(copy)
    shutil.copytree(package.folder, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["style"]["embedding_sha256"] = "0" * 64
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(PackageError, match=r"was fitted on another 'embedding'"):
        open_model(copy)


def test_distance_is_the_way_to_the_nearest_points():
    points = np.zeros((5, 4), dtype=np.float32)
    z = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [2, 2, 2, 2]], dtype=np.float32)
    assert np.allclose(distance_of(likeness(z, points, 0.5), 0.5), [0, 0.5, 2], atol=1e-6)
    assert np.abs(rounded(z + 0.003) - z).max() <= 4 / 127 / 2 + 1e-6


def test_inputs_hear_no_velocity_tempo_program_or_register():
    plain, more = Hearing(), Hearing("velocity,register")
    named = {DESCRIPTORS[i].left_out for i in plain.columns}
    assert named == {""} and not any(DESCRIPTORS[i].moves for i in plain.columns)
    assert len(more.columns) == len(plain.columns) + sum(d.left_out == "velocity" or d.moves for d in DESCRIPTORS)
    with pytest.raises(InputError, match=r"Unknown kind of inputs. Expected velocity, tempo, program, register, grams. Received colour"):
        _ = Hearing("colour").columns


def test_windows_are_four_bars_numbered_as_printed():
    found = list(windows(encode(tune(18, seed=2))[0]))
    assert [(a, b) for a, b, _ in found] == [(1, 4), (5, 8), (9, 12), (13, 16)]
    assert all(s.bar_count == 4 and s.notes["onset"].min() < s.bars["duration"][0] for _, _, s in found)


# --- fitting


def _examples(n=60, labels=("a", "b", "c"), seed=0):
    rng = np.random.default_rng(seed)
    of = np.arange(n) % len(labels)
    x = rng.normal(size=(n, 6)) + 2.5 * np.eye(6)[of]
    return Examples(x.astype(np.float32), {"style": np.array(labels)[of]}, np.arange(n) // 2 * 2 + of % 2, np.ones(n))


def test_folds_never_split_a_group():
    e = _examples()
    for train_, test in folds_of(e.labels["style"], e.groups, 5, 0):
        assert not set(e.groups[train_]) & set(e.groups[test]) and len(test)


def test_held_out_probabilities_are_calibrated_by_the_temperature():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 3000)
    right = np.eye(3)[truth]
    honest = softmax(1.5 * right + rng.normal(size=(3000, 3)))
    over = softmax(3 * np.log(honest))
    names = ("a", "b", "c")
    warm = temperature_of(over, np.array(names)[truth], names) / temperature_of(honest, np.array(names)[truth], names)
    assert warm == pytest.approx(3, rel=0.02)


def test_a_fit_finds_what_is_there_and_chance_where_nothing_is():
    e, sizes = _examples(120), StyleSizes()
    model, told = fit(e, sizes)
    assert (told[0].said == told[0].truth).mean() > 0.85 and told[0].p.sum(axis=1) == pytest.approx(1)
    assert 0 < model.limit < 10 and (model.distance(model.standard(e.x)) < 1).mean() > 0.9
    shuffled = np.random.default_rng(3).permutation(e.labels["style"])
    held = cross_fit(e, shuffled, ("a", "b", "c"), sizes)
    assert (held.said == held.truth).mean() < 0.55


def test_labels_with_too_few_works_are_left_out_or_refused():
    e = _examples(9)
    with pytest.raises(TrainingError, match=r"Too few labels to tell apart in 'style'. Expected at least 2 labels with 9 different pieces each"):
        known_labels(e, "style", 9)
    assert StyleModel(np.zeros(2), np.ones(2), np.zeros((1, 2)), 1.0).standard(np.full((1, 2), 9.0)).max() == 4


def test_of_a_common_label_some_works_are_drawn():
    e = _examples(300)
    index = drawn(e.labels, e.groups, 20, 0)
    assert np.unique(e.labels["style"][index], return_counts=True)[1].tolist() == [80, 80, 80]  # 3 labels: four times as many each
    place = np.arange(300)  # 5 labels of 30 works with two pieces each
    many = Examples(e.x, {"style": np.array([f"l{i % 5}" for i in place])}, place // 10 * 5 + place % 5, e.weights)
    index = drawn(many.labels, many.groups, 20, 0)
    assert len(index) == 100 and len(set(many.groups[index].tolist())) == 100


def test_recipes_of_the_family_are_known():
    assert load_recipe("own-labels").family == load_recipe("style").family == "style"
    assert load_recipe("style").sizes["splits"] == "train"
    with pytest.raises(TrainingError, match="unknown key"):
        parse_recipe("family = 'style'\nwidth = 3", "mine")


def test_a_saved_piece_is_judged_as_the_score_was(package, tmp_path):
    save(dance("march", 8), tmp_path / "m.mid")
    assert classify(load(tmp_path / "m.mid"), model=package).style == classify(tmp_path / "m.mid", model=package).style == "march"


# --- checking what was composed


def test_a_take_is_heard_for_the_style_that_was_asked_for(package):
    check = StyleCheck("jig", model=package)
    assert check.hear(dance("jig", 60)).agrees
    heard = check.hear(dance("waltz", 61))
    assert not heard.agrees and heard.said == "waltz" and heard.probability < 0.5
    assert check.hear(dance("jig", 1).replace(notes=dance("jig", 1).notes[:3])).far
    with pytest.raises(ControlError, match=r"cannot check this style. Expected a style that it knows. Received jigg. hint: near: 'jig'"):
        StyleCheck("jigg", model=package)
    with pytest.raises(ControlError, match=r"Received no style. hint: name one"):
        StyleCheck(None, model=package)


def test_takes_that_are_not_agreed_are_not_chosen():
    rows = [np.full((1, 6), i) for i in range(3)]
    agreed = Verdict((), 1.0, 0.0)
    assert choose(rows, [replace(agreed, agreed=False), agreed, replace(agreed, agreed=False)], 3) == [1]
    assert not replace(agreed, agreed=False).good and agreed.good


# --- figures


def test_figures_are_distributions_and_tell_pitch_and_pace():
    first, moved = grams(dance("jig", 1)), grams(dance("jig", 1, tonic=67))
    assert first.shape == (SIZE,) and first.dtype == np.float32
    assert float((first**2).sum()) == pytest.approx(22, abs=1e-3)  # kinds of figures, each a distribution
    assert 0 < float(first @ moved) < 21 and float(first @ grams(dance("jig", 1))) == pytest.approx(22, abs=1e-3)
    drums = notes_array(onset=np.arange(8) * 240, duration=120, pitch=36, part=0)
    assert not grams(Score(drums, regular_bars(1, 480, 4, 4), (Part("", 0, True),), 480)).any()
    one = dance("jig", 1)
    assert np.isfinite(grams(one.replace(notes=one.notes[:1]))).all()


def test_a_package_that_hears_figures_comes_back(folder, tmp_path):
    recipe = parse_recipe("family = 'style'\nhear = 'velocity,register,grams'\nembedding = ''", "mine")
    found = train(folder, recipe=recipe, options=TrainOptions(out=tmp_path / "p", run_folder=tmp_path / "r")).package
    model = open_model(found)
    assert model.hearing.grams == SIZE and len(model.mean) == len(model.hearing.columns) + SIZE and model.width > 0
    verdict = classify(dance("jig", 3), model=found)
    assert verdict.style == "jig" and verdict.reasons_for and not verdict.none

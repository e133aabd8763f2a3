"""The quality protocol: excerpts, testers that tell what can be told and nothing else, distances, faults, obedience, the whole run."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import zhiyin as zy
from music import tune
from zhiyin.app.cli.main import main
from zhiyin.corpus.build import BuildOptions, build
from zhiyin.encoding import encode
from zhiyin.errors import InputError
from zhiyin.evaluation.distances import (
    cloud_distances,
    figure_distances,
    frechet,
    kl_divergence,
    mmd,
    overlap_area,
    wasserstein,
)
from zhiyin.evaluation.excerpts import MAX_BARS, excerpt, shuffle_bars, window_places
from zhiyin.evaluation.faults import KINDS, fault_rates, faults
from zhiyin.evaluation.features import feature_names, features, statistic_columns
from zhiyin.evaluation.generation import Setting, evaluate_generation, headline
from zhiyin.evaluation.obedience import MIREX, heard_key, key_named, key_table, relation
from zhiyin.evaluation.quality_report import report_html
from zhiyin.evaluation.testers import grams, ngram, trees_on
from zhiyin.evaluation.two_sample import (
    auc,
    cross_scores,
    cut,
    exchanged,
    fold_of,
    l60,
    measure_lengths,
    shuffled,
    summarise,
)
from zhiyin.measures.statistics import STATISTICS, statistics
from zhiyin.score import bars_array, notes_array


def part_of(score, name="a"):
    piece = encode(score)[0]
    return excerpt(name, piece.rows, piece.bars, piece.programs)


@pytest.fixture(scope="module")
def sides():
    """Thirty pairs: tunes in quarters and eighths, and others of the same kind."""
    return [(part_of(tune(32, seed=i), f"p{i}"), part_of(tune(32, seed=1000 + i), f"q{i}")) for i in range(30)]


def test_an_excerpt_has_no_upbeat_tempo_velocity_or_name():
    part = part_of(tune(80, seed=1))
    assert part.bars == MAX_BARS and part.meter == (4, 4) and part.regular.all()
    score = part.score()
    assert not score.notes["velocity"].any() and not score.bars["tempo_qpm"].any() and {p.name for p in score.parts} == {""}
    assert len(window_places(part, 16)) == 4 and window_places(part, 32) == [0, 32]


def test_a_bar_longer_than_its_meter_keeps_its_notes_in_order():
    score = tune(20, seed=3)
    lengths = [1920] * 8 + [2400] + [1920] * 11
    bars = bars_array(lengths, meter_numerator=4, meter_denominator=4)
    part = part_of(score.replace(bars=bars))
    assert not part.regular[8] and part.lengths[8] == 120
    assert window_places(part, 8) == [0]
    notes = part.score().notes
    assert (np.diff(notes["onset"]) >= 0).all() and (notes["duration"] >= 0).all()


def test_shuffling_moves_bars_and_nothing_else():
    part = part_of(tune(16, seed=2))
    other = shuffle_bars(part, np.random.default_rng(0))
    assert sorted(map(tuple, part.rows[:, 1:].tolist())) == sorted(map(tuple, other.rows[:, 1:].tolist()))
    assert not np.array_equal(part.rows, other.rows)
    assert (np.diff(other.rows[:, 0]) >= 0).all()


def test_folds_hold_whole_pieces_and_pairs(sides):
    windows = cut(sides, 16)
    fold = fold_of(windows.group, 5)
    assert len(windows) == 120 and all(len(np.unique(fold[windows.group == g])) == 1 for g in range(30))
    assert np.bincount(fold).min() >= 20
    swapped = exchanged(windows)
    assert 0.2 < (swapped.label != windows.label).mean() < 0.8
    assert all(len(np.unique((swapped.label != windows.label)[windows.group == g])) == 1 for g in range(30))


def test_the_trees_tell_shuffled_bars_and_not_two_of_a_kind(sides):
    for windows, low, high in ((cut(sides, 16), 0.3, 0.7), (shuffled(cut(sides, 16)), 0.8, 1.0)):
        scores = cross_scores(windows, trees_on, 3, np.stack([features(p) for p in windows.parts]))
        assert low < summarise(windows, scores)["accuracy"] <= high


def test_ngrams_tell_rhythms_apart():
    straight = [part_of(tune(16, seed=i)) for i in range(12)]
    slow = []
    for i in range(12):
        score = tune(16, seed=100 + i)
        keep = score.notes["onset"] % 960 == 0
        slow.append(part_of(score.replace(notes=score.notes[keep])))
    scores = ngram(straight[:8] + slow[:8], np.repeat([0, 1], 8), straight[8:] + slow[8:])
    assert (scores[:4] < scores[4:].min()).all()
    assert any(k.startswith("r1:") for k in grams(straight[0]))


@pytest.mark.slow
def test_the_transformer_learns_what_is_there_to_learn(sides):
    from zhiyin.evaluation.tester_transformer import transformer

    low = [p for p, _ in sides]
    high = []
    for p, _ in sides:
        score = p.score()
        notes = score.notes.copy()
        notes["duration"] = np.maximum(notes["duration"] // 2, 1)
        high.append(part_of(score.replace(notes=notes), p.piece))
    parts, label = low[:20] + high[:20], np.repeat([0, 1], 20)
    scores = transformer(parts, label, low[20:] + high[20:])
    assert auc(scores, np.repeat([0, 1], 10)) > 0.9


def test_auc_is_the_share_of_pairs_in_order():
    scores, label = np.array([0.1, 0.4, 0.4, 0.9]), np.array([0, 0, 1, 1])
    assert auc(scores, label) == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert auc(scores, label, np.array([1, 0, 1, 1])) == 1.0


def test_l60_stops_at_the_first_length_that_tells():
    found = {str(b): {"accuracy": a} for b, a in ((2, 0.52), (4, 0.6), (8, 0.61), (16, 0.55))}
    assert l60(found) == 4
    assert l60({"2": {"accuracy": 0.7}}) == 0


def test_lengths_ask_the_next_tester_only_where_the_first_is_fooled(sides):
    asked = []

    def test(windows, bars, name):
        asked.append((bars, name, len(windows)))
        return {"accuracy": 0.55 if bars < 16 else 0.7 if name == "ngram" else 0.5}

    found = measure_lengths(sides, ("trees", "ngram", "transformer"), (2, 8, 16, 64), test)
    assert [a[:2] for a in asked] == [(b, t) for b in (2, 8) for t in ("trees", "ngram", "transformer")] + [(16, "trees"), (16, "ngram")]
    assert found["l60"] == 8 and list(found["lengths"]) == ["2", "8", "16"] and found["lengths"]["16"]["strongest"] == "ngram"


def test_distances_are_zero_for_the_same_and_known_for_a_shift():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=3000), rng.normal(size=3000)
    assert overlap_area(a, b) > 0.95 and kl_divergence(a, b) < 0.02
    assert wasserstein(b + 2 * b.std(), b) == pytest.approx(2.0, abs=0.01)
    assert overlap_area(a + 20, b) < 0.01
    one, two = rng.normal(size=(2000, 3)), rng.normal(size=(2000, 3))
    assert frechet(one, two) < 0.02 and frechet(one + np.array([3, 0, 0]), two) == pytest.approx(9.0, abs=0.4)
    assert abs(mmd(one[:400], two[:400])) < 0.01 < mmd(one[:400] + 2, two[:400])
    found = cloud_distances({"same": one[:200], "far": two[:200] + 1}, two[:200])
    assert found["far"]["frechet"]["low"] > found["same"]["frechet"]["high"]
    told = figure_distances(one[:100], two[:100], ["x", "y", "z"], 20)["x"]
    assert told["overlap"]["low"] <= told["overlap"]["value"] <= told["overlap"]["high"] and told["n"] == [100, 100]


def test_the_statistics_columns_are_the_statistics():
    part = part_of(tune(16, seed=5))
    assert list(feature_names()[statistic_columns()]) == list(STATISTICS)
    assert features(part)[statistic_columns()] == pytest.approx(np.nan_to_num(list(statistics(part.score()).values())), rel=1e-5)


def test_fault_rates_are_per_hundred_bars_with_intervals():
    score = tune(20, parts=2)
    notes = score.notes[score.notes["part"] == 0]
    fifths = notes.copy()
    fifths["part"], fifths["pitch"] = 1, notes["pitch"] - 7
    both = score.replace(notes=np.sort(np.concatenate([notes, fifths]), order=["onset", "part", "pitch"]))
    assert faults(both)["parallel fifths"] > 20 and set(faults(both)) == set(KINDS)
    rates = fault_rates({"composed": [part_of(both)], "human": [part_of(score)] * 3})
    assert rates["composed"]["parallel fifths"]["rate"] > 100 > rates["human"]["parallel fifths"]["rate"]
    assert rates["human"]["bars"] == 60


def test_keys_relate_as_mirex_says():
    pytest.importorskip("music21")
    assert relation((2, 0), (2, 0)) == "exact" and relation((2, 0), (9, 0)) == "fifth"
    assert relation((0, 0), (9, 1)) == "relative" == relation((9, 1), (0, 0))
    assert relation((0, 0), (0, 1)) == "parallel" and relation((0, 0), (6, 0)) == "other"
    pitches = [67, 71, 74, 67, 72, 71, 69, 67, 74, 78, 69, 67]
    notes = notes_array(onset=[480 * i for i in range(12)], duration=480, pitch=pitches, part=[0] * 12)
    assert heard_key(tune(3).replace(notes=notes)) == key_named("G major")
    table = key_table(["exact", "exact", "fifth", "other"])
    assert table["weighted"] == pytest.approx((2 * MIREX["exact"] + MIREX["fifth"]) / 4) and table["exact"] == 0.5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "in" / "tune").mkdir(parents=True)
    for i in range(24):
        zy.save(tune(16 + i % 4, seed=i), folder / "in" / "tune" / f"{i}.mid")
    build([str(folder / "in")], folder / "corpus", options=BuildOptions(i_have_the_rights=True))
    return folder / "corpus"


@pytest.fixture(scope="module")
def result(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("quality")
    setting = Setting(
        pieces=10, splits=("train",), testers=("ngram",), sections=("two_sample", "human_human", "coin", "shuffled_bars", "separates", "statistics", "faults", "form")
    )
    return evaluate_generation("default", corpus, out, setting=setting), out, setting


def test_a_run_makes_pieces_to_the_controls_and_measures_them(result):
    found, out, _ = result
    assert found["pieces"] == 10 and found["windows"] >= 10 and found["composed_notes"] > 100
    assert set(found["two_sample"]["testers"]) == {"ngram"} and 0 <= found["two_sample"]["accuracy"] <= 1
    assert set(found["two_sample"]["testers"]["ngram"]["by_kind"]) == {"train split · in"}
    assert set(found["validity"]) == {"at_chance", "shuffled_told_apart", "valid"}
    assert found["faults"]["composed"]["pieces"] == 10 and found["form"]["composed"]["final_bass_is_the_tonic"]["n"] == 10
    assert headline(found)[0].startswith("default: 10 pieces")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 5 and "Published statistics" in page and "http" not in re.sub(r"http://www.w3.org/\S+", "", page).replace("http-equiv", "")
    assert json.loads((out / "quality.json").read_text(encoding="utf-8")) == found


def test_a_run_goes_on_where_it_stopped_and_says_the_same(result, corpus):
    found, out, setting = result
    (out / "section_faults.json").unlink()
    (out / "pieces" / "00003.npz").unlink()
    assert evaluate_generation("default", corpus, out, setting=setting) == found


def test_a_folder_of_another_model_is_refused(result, corpus):
    _, out, setting = result
    with pytest.raises(InputError, match="holds pieces of another model or of other settings. Expected pieces of [0-9a-f]{12}. Received [0-9a-f]{12}. hint: choose another --out"):
        evaluate_generation("rnn", corpus, out, setting=setting)
    with pytest.raises(InputError, match=r"Expected pieces of [0-9a-f]{12} \{'top_p': 1.0\}\. Received"):
        evaluate_generation("default", corpus, out, setting=replace(setting, sampling={"top_p": 1.0}))
    (out / "pieces" / "00001.npz").write_bytes(b"no")
    with pytest.raises(InputError, match=r"00001.npz is damaged. Expected an excerpt as written by this protocol\..* hint: delete it"):
        evaluate_generation("default", corpus, out, setting=setting)


def test_what_cannot_be_evaluated_says_so(corpus, tmp_path, capsys):
    with pytest.raises(InputError, match="Unknown section. Expected two_sample, .*. Received fault. hint: .*'faults'"):
        evaluate_generation("default", corpus, tmp_path, setting=Setting(sections=("fault",)))
    with pytest.raises(InputError, match="No human pieces to compare with. Expected pieces with 16 full bars in nowhere. Received none"):
        evaluate_generation("default", corpus, tmp_path, setting=Setting(splits=("nowhere",)))
    assert main(["evaluate", "generation", "default", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "o")]) == 1
    assert "is not a finished corpus" in capsys.readouterr().err


def test_a_report_escapes_names_and_leaves_out_what_was_not_run():
    bare = {"model": "<b>", "pieces": 1, "splits": ["test"], "composed_notes": 1, "human_notes": 1, "windows": 1, "window_bars": 16}
    page = report_html(bare)
    assert "<b>" not in page.split("<body>")[1].replace("<b>valid", "") and "&lt;b&gt;" in page and "<svg" not in page

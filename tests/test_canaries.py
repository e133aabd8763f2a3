"""Canaries: the rule set, exposure and extraction on known answers, and the whole experiment with a tiny network."""

import numpy as np
import pytest

from music import tune
from zhiyin.corpus.build import build as build_corpus
from zhiyin.corpus.store import Corpus, open_corpus
from zhiyin.encoding import encode
from zhiyin.encoding.fields import BAR_COLUMN
from zhiyin.encoding.rows import BAR, PITCH, VELOCITY
from zhiyin.errors import InputError
from zhiyin.evaluation.canaries import (
    BARS,
    EXTRACTED,
    PREFIX_BARS,
    by_copies,
    exact_run,
    exposure,
    interval,
    invent,
    longest_match,
    table,
)
from zhiyin.evaluation.planting import Setup, bare, experiment, named_by_index, plant
from zhiyin.formats.catalog import save
from zhiyin.measures.key import find_key
from zhiyin.training.batches import Batches
from zhiyin.training.recipe import Recipe


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    root = tmp_path_factory.mktemp("canaries")
    (root / "tunes").mkdir()
    for i in range(12):
        save(tune(8, seed=i), root / "tunes" / f"tune{i}.mid")
    build_corpus([root / "tunes"], root / "built")
    return open_corpus(root / "built")


def test_invented_tunes_follow_their_rules():
    tunes = [invent(i) for i in range(60)]
    assert invent(3).notes.tobytes() == invent(3).notes.tobytes()
    assert len({t.notes["pitch"].tobytes() for t in tunes}) == 60
    rests = []
    for t in tunes:
        assert t.bar_count == BARS and t.notes["pitch"].min() >= 55 and t.notes["pitch"].max() <= 96
        assert t.notes["onset"][0] == 0 and np.array_equal(t.notes["onset"][1:], (t.notes["onset"] + t.notes["duration"])[:-1])
        assert (np.abs(np.diff(t.notes["pitch"])) <= 12).all() and (np.diff(t.notes["pitch"])[:-1] != 0).all()
        rests.append(int((t.notes["onset"] >= PREFIX_BARS * t.bars["duration"][0]).sum()))
    assert np.mean(np.array(rests) >= EXTRACTED) > 0.9
    tonics = [find_key(t).tonic == int(t.notes["pitch"][-1]) % 12 for t in tunes]
    assert np.mean(tonics) > 0.6  # most end on the tonic that is heard


def test_exposure_is_the_rank_in_bits():
    references = np.arange(1.0, 1024.0)  # 1,023 others
    found = exposure(np.array([0.5, 512.5, 2000.0]), references)
    assert found.tolist() == [10.0, pytest.approx(np.log2(1024 / 513)), 0.0]
    assert exposure(np.array([1.0]), references)[0] == pytest.approx(9.0)  # a tie counts against it
    with pytest.raises(InputError, match="No references to rank among"):
        exposure(np.array([1.0]), np.array([]))


def test_runs_and_matches_are_counted_in_notes():
    truth = encode(invent(5))[0].rows
    assert exact_run(truth, truth) == len(truth) == longest_match(truth, truth)
    other = truth.copy()
    other[7, PITCH] += 1
    assert exact_run(other, truth) == 7 and longest_match(other, truth) == max(7, len(truth) - 8)
    higher = truth.copy()
    higher[:, PITCH] += 5
    assert exact_run(higher, truth) == 0 and longest_match(higher, truth) == len(truth)
    assert exact_run(truth[:0], truth) == 0 and exact_run(truth[:4], truth) == 4


def test_means_come_with_n_and_interval():
    assert interval([2.0, 2.0, 2.0]) == {"mean": 2.0, "low": 2.0, "high": 2.0, "n": 3}
    found = by_copies(np.array([1, 1, 4]), np.array([0.0, 1.0, 5.0]))
    assert found["1"]["mean"] == 0.5 and found["1"]["low"] == 0.0 and found["4"]["n"] == 1


def test_bare_pieces_hold_notes_meter_key_and_bars_only():
    piece = bare(encode(tune(8, seed=2))[0])
    assert not piece.controls.any() and len(np.unique(piece.rows[:, VELOCITY])) == 1
    for name in ("tempo", "chord", "section", "section_bar", "phrase_left", "cadence"):
        assert not piece.bars[:, BAR_COLUMN[name]].any()
    assert piece.bars[:, BAR_COLUMN["length"]].all() and piece.bars[:, BAR_COLUMN["left"]].all()


def test_planting_adds_each_copy_to_training_alone(corpus):
    canaries, copies = Setup(each=2, copies=(0, 1, 3)).canaries()
    planted = plant(corpus, "tunes", 5, canaries, copies, seed=0)
    names = [p.id for p in planted.pieces("train") if p.collection == "canaries"]
    assert [names.count(f"canary{i}") for i in range(6)] == copies.tolist() == [0, 0, 1, 1, 3, 3]
    assert not [p for p in planted.pieces("valid") if p.collection == "canaries"]
    assert sum(p.collection == "tunes" for p in planted.pieces("train")) == 5
    assert np.array_equal(planted.arrays(planted.table[-1])["rows"], canaries[5].rows)


def test_the_index_names_what_a_model_would_give_away(corpus):
    """A take that is the canary itself is named; one of a tune that was never planted is not emitted or not named."""
    canaries, copies = Setup(each=2, copies=(0, 1, 4)).canaries()
    planted = plant(corpus, "tunes", 0, canaries, copies, seed=0)
    takes = {"exact": [p.rows[p.rows[:, BAR] >= PREFIX_BARS].astype(np.int64) for p in canaries]}
    long = np.array([len(t) >= EXTRACTED for t in takes["exact"]])
    found = named_by_index(planted, takes, canaries, copies)
    assert found["0"]["emitted"] == long[:2].sum() and found["0"]["named"] == found["0"]["named_dense"] == 0
    for c, at in (("1", slice(2, 4)), ("4", slice(4, 6))):
        assert found[c]["emitted"] == found[c]["named"] == found[c]["named_dense"] == long[at].sum() > 0


def test_a_network_that_is_shown_canaries_gives_them_away(corpus, tmp_path):
    """Sixteen copies and many epochs: the tunes are likelier than any other of their rule set, and none of the control is."""
    setup = Setup("tunes", tunes=4, each=3, copies=(0, 32), references=60)
    sizes = {"width": 48, "hidden": 96, "layers": 1, "head_hidden": 48, "window": 64, "dropout": 0.0}
    recipe = Recipe(
        family="lstm", steps=200, batch_rows=512, window=64, learning_rate=1e-2, weight_decay=0.0, ema=0.0, transpose=0, given_share=0.0,
        control_dropout=0.0, style_temperature=1.0, validations=2, valid_rows=300, patience=0, precision="fp32", sizes=sizes,
    )  # fmt: skip
    found = experiment(corpus, setup, recipe, tmp_path)
    last = found["exposure"][-1]["by_copies"]
    assert last["32"]["mean"] > found["most_bits"] - 0.5 > last["0"]["mean"] + 1
    assert found["extraction"]["greedy"]["32"]["run"]["mean"] > found["extraction"]["greedy"]["0"]["run"]["mean"] + 2
    assert found["exposure"][0]["epoch"] < found["exposure"][-1]["epoch"]
    said = table({"lstm": found})
    assert "exposure, bits" in said and "index names" in said and said.count("\n") == 3
    assert Batches(plant(corpus, "tunes", 4, *setup.canaries(), seed=1), recipe).rows == found["rows"]

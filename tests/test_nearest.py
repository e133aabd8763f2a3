"""Nearest vectors: exact where they are few, through a graph where they are many, and how many the graph finds."""

import sys

import numpy as np
import pytest

from zhiyin.errors import InputError
from zhiyin.recommenders.diversify import best, diversify, normalised
from zhiyin.recommenders.nearest import Nearest


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, 24))
    return normalised(centres[rng.integers(0, 40, 3000)] + 0.5 * rng.normal(size=(3000, 24))).astype(np.float32)


def test_few_vectors_are_all_looked_at(vectors):
    near = Nearest(vectors)
    assert near.exact and near.search(vectors[7], 3)[0] == 7 and near.recall(vectors[:20], 10) == 1
    assert near.search(vectors[7], 5).tolist() == np.argsort(-(vectors @ vectors[7]), kind="stable")[:5].tolist()


def test_many_go_through_a_graph_that_finds_nearly_all(vectors):
    near = Nearest(vectors, exact_below=0)
    assert not near.exact and near.search(vectors[7], 3)[0] == 7
    assert near.recall(vectors[:100], 10) > 0.97
    assert np.array_equal(near.search(vectors[9], 10), Nearest(vectors, exact_below=0).search(vectors[9], 10))


def test_a_graph_is_kept_in_a_file_and_made_anew_where_the_file_is_not_its(vectors, tmp_path):
    place = tmp_path / "graphs" / "g.voyager"
    first = Nearest(vectors, exact_below=0, place=place).search(vectors[3], 10)
    written = place.stat().st_mtime_ns
    assert np.array_equal(Nearest(vectors, exact_below=0, place=place).search(vectors[3], 10), first) and place.stat().st_mtime_ns == written
    place.write_bytes(place.read_bytes()[:1000])
    assert np.array_equal(Nearest(vectors, exact_below=0, place=place).search(vectors[3], 10), first)
    assert np.array_equal(Nearest(vectors[:50], exact_below=0, place=place).search(vectors[3], 1), [3])


def test_more_than_there_are(vectors):
    assert len(Nearest(vectors[:4]).search(vectors[0], 9)) == len(Nearest(vectors[:4], exact_below=0).search(vectors[0], 9)) == 4


def test_without_the_library_it_says_what_to_install(vectors, monkeypatch):
    monkeypatch.setitem(sys.modules, "voyager", None)
    with pytest.raises(InputError, match=r"3000 vectors need a graph, and its library is not installed. Expected the extra `recommend`.*pip install"):
        Nearest(vectors, exact_below=0)


def test_the_best_are_in_order_and_ties_by_place():
    assert best(np.array([1.0, 3.0, 3.0, -np.inf, 2.0]), 4).tolist() == [1, 2, 4, 0]
    assert best(np.array([-np.inf, -np.inf]), 3).tolist() == []


def test_diversify_weighs_score_against_likeness():
    features = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], dtype=np.float32)
    scores = np.array([1.0, 0.9, 0.2, -np.inf])
    assert diversify(scores, features, 3, 0.0).tolist() == [0, 1, 2]
    assert diversify(scores, features, 2, 0.6).tolist() == [0, 2]
    assert diversify(scores, features, 9, 0.6).tolist() == [0, 2, 1]

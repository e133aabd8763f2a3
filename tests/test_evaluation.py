"""Nats of packages and baselines, on data whose answer is known."""

import numpy as np
import pytest

from zhiyin.errors import InputError
from zhiyin.evaluation.nats import _columns, _mean, baselines, evaluate_nats


class OnePieceCorpus:
    """A corpus of one piece in which every class of a field is the same."""

    def __init__(self, rows):
        self.rows = rows

    def pieces(self, split=""):
        return [0]

    def arrays(self, piece):
        return {"rows": self.rows}


def test_a_constant_piece_costs_the_baselines_almost_nothing():
    from zhiyin.encoding import EncodedPiece

    bar = np.arange(400)
    rows = np.stack([bar, 0 * bar, 0 * bar, 0 * bar + 60, 0 * bar + 3, 0 * bar + 8], -1).astype(np.int16)
    piece = EncodedPiece(rows, np.zeros((400, 13)), np.zeros(1), np.zeros(5))
    found = baselines(OnePieceCorpus(rows), [piece])
    assert 0 < found["bigram"] < found["unigram"] < 1.0


def test_the_end_and_unknown_velocities_are_not_counted_twice():
    targets = np.array([[0, 5, 0, 60, 3, 0], [1, 6, 0, 61, 3, 4], [33, 0, 0, 0, 0, 0]])
    columns = _columns(targets)
    assert [len(c) for c, _ in columns] == [3, 2, 2, 2, 2, 1]


def test_the_interval_holds_the_mean():
    result = _mean(np.array([10.0, 20.0, 30.0]), np.array([5.0, 10.0, 15.0]))
    assert result["nats"] == pytest.approx(2.0) == result["low"] == result["high"]
    assert result["pieces"] == 3 and result["n"] == 30


def test_a_folder_is_measured(tmp_path):
    from music import tune
    from zhiyin.formats.catalog import save

    for i in range(3):
        save(tune(8, seed=i), tmp_path / f"{i}.mid")
    result = evaluate_nats("default", tmp_path)
    assert result["pieces"] == 3 and 0.5 < result["nats"] < 12
    assert sum(result["fields"].values()) == pytest.approx(result["nats"], rel=1e-6)
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="No score in"):
        evaluate_nats("default", tmp_path / "none")

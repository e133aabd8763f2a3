"""Figures of a classifier's answers, and the protocol of repeated folds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from music import tune
from zhiyin.app.cli.main import main
from zhiyin.errors import InputError
from zhiyin.evaluation.labels import Answers, mcnemar, report
from zhiyin.evaluation.style import cross_validated, evaluate_style, lines
from zhiyin.evaluation.style_picture import draw_calibration, draw_confusion
from zhiyin.formats.catalog import save
from zhiyin.training.style_fit import Examples, StyleSizes


def answers(truth, said, sure=0.9, groups=None, classes=("a", "b", "c")) -> Answers:
    """Answers that are ``sure`` of what they say."""
    p = np.full((1, len(truth), len(classes)), (1 - sure) / (len(classes) - 1))
    p[0, np.arange(len(truth)), said] = sure
    return Answers(classes, np.array(truth), p, np.arange(len(truth)) if groups is None else np.array(groups))


def test_a_perfect_answer_scores_one_and_the_intervals_have_no_width():
    truth = [0, 1, 2] * 10
    found = report(answers(truth, truth), draws=50)
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        assert found[name] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert found["confusion"] == [[10, 0, 0], [0, 10, 0], [0, 0, 10]]
    assert found["calibration_error"] == pytest.approx(0.1) and found["log_loss"] == pytest.approx(-np.log(0.9), abs=1e-4)


def test_figures_by_hand():
    found = report(answers([0, 0, 0, 1], [0, 0, 1, 1], classes=("a", "b")), draws=20)
    assert found["accuracy"]["mean"] == 0.75 and found["balanced_accuracy"]["mean"] == pytest.approx(5 / 6, abs=1e-4)
    assert [r["f1"] for r in found["per_label"]] == [0.8, pytest.approx(2 / 3, abs=1e-4)]
    assert found["macro_f1"]["mean"] == pytest.approx((0.8 + 2 / 3) / 2, abs=1e-4)
    assert found["majority"] == {"accuracy": 0.75, "balanced_accuracy": 0.5, "macro_f1": pytest.approx(0.8571 / 2, abs=1e-3)}
    assert found["per_label"][1] == {"label": "b", "n": 1, "precision": 0.5, "recall": 1.0, "f1": pytest.approx(0.6667)}


def test_scikit_learn_says_the_same():
    from sklearn.metrics import balanced_accuracy_score, f1_score

    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    found = report(answers(truth, said), draws=10)
    assert found["macro_f1"]["mean"] == pytest.approx(f1_score(truth, said, average="macro"), abs=1e-4)
    assert found["balanced_accuracy"]["mean"] == pytest.approx(balanced_accuracy_score(truth, said), abs=1e-4)


def test_intervals_are_wider_where_pieces_come_in_groups():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 300)
    said = np.where(np.repeat(rng.random(30) < 0.7, 10), truth, (truth + 1) % 3)
    alone = report(answers(truth, said))["accuracy"]
    grouped = report(answers(truth, said, groups=np.arange(300) // 10))["accuracy"]
    assert grouped["high"] - grouped["low"] > 2 * (alone["high"] - alone["low"])


def test_honest_probabilities_have_no_gap():
    rng = np.random.default_rng(2)
    p = rng.dirichlet(np.ones(3), 20_000)
    truth = (p.cumsum(1) < rng.random((20_000, 1))).sum(1)
    found = report(Answers(("a", "b", "c"), truth, p[None], np.arange(20_000)), draws=2)
    assert found["calibration_error"] < 0.02 and len(found["calibration"]) == 7  # of three labels the best has a third at least


def test_mcnemar_by_hand():
    assert mcnemar([1, 1, 1, 0], [1, 0, 0, 1]) == {"n": 4, "only_ours_right": 2, "only_theirs_right": 1, "p": 1.0}
    ten = mcnemar([True] * 10 + [False] * 2, [False] * 12)
    assert (ten["only_ours_right"], ten["only_theirs_right"]) == (10, 0) and ten["p"] == pytest.approx(2 / 1024, abs=1e-4)


def test_repeats_are_other_folds_and_groups_stay_whole():
    rng = np.random.default_rng(3)
    of = np.arange(90) % 3
    e = Examples((rng.normal(size=(90, 5)) + 2 * np.eye(5)[of]).astype(np.float32), {"style": np.array(["a", "b", "c"])[of]}, np.arange(90) // 6 * 3 + of, np.ones(90))
    found = cross_validated(e, "style", StyleSizes(), repeats=2)
    assert found.p.shape == (2, 90, 3) and not np.allclose(found.p[0], found.p[1])
    figures = report(found)
    assert figures["repeats"] == 2 and figures["groups"] == 45 and figures["accuracy"]["mean"] > 0.6


def test_the_verb_measures_a_folder_and_draws(tmp_path, capsys):
    for i, (kind, meter) in enumerate((("march", (4, 4)), ("waltz", (3, 4)))):
        (tmp_path / "mine" / kind).mkdir(parents=True)
        for k in range(5):
            save(tune(10, seed=100 * i + k, meter=meter), tmp_path / "mine" / kind / f"{k}.mid")
    assert main(["evaluate", "style", "--data", str(tmp_path / "mine"), "--repeats", "1", "-o", str(tmp_path / "figures"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sets"]["style"]["n"] == 10 and told["sets"]["style"]["accuracy"]["mean"] > 0.8
    assert [p.rsplit("/", 1)[1] for p in told["files"]] == ["style-confusion.png", "style-calibration.png"]
    assert any("macro f1" in line for line in lines(told))
    with pytest.raises(InputError, match="repeats out of range"):
        evaluate_style(tmp_path / "mine", repeats=0)


def test_pictures_are_pictures(tmp_path):
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 3, 60)
    figures = report(answers(truth, np.where(rng.random(60) < 0.8, truth, 0)), draws=5)
    for draw in (draw_confusion, draw_calibration):
        assert draw(figures, tmp_path / "p.png", title="t").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"

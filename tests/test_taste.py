"""The taste: a Gaussian process over features, against its formulas and against what it is for."""

import numpy as np
import pytest

from zhiyin.recommenders.diversify import normalised
from zhiyin.recommenders.taste import MAX_HEARD, fit_taste


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    features = normalised(rng.normal(size=(400, 12))).astype(np.float32)
    return features, rng.normal(size=12), rng


def test_mean_and_deviation_are_those_of_a_gaussian_process(world):
    features, _, rng = world
    heard, new, liking = features[:15], features[15:40], rng.choice([-1.0, 1.0], 15)
    taste = fit_taste(heard, liking, noise=0.2)
    inverse = np.linalg.inv(heard @ heard.T + 0.2 * np.eye(15))
    cross = new @ heard.T
    assert np.allclose(taste.mean(new), cross @ inverse @ liking, atol=1e-4)
    assert np.allclose(taste.deviation(new) ** 2, 1 - np.einsum("ij,jk,ik->i", cross, inverse, cross), atol=1e-4)
    assert np.allclose(taste.shares(new).sum(axis=1), taste.mean(new), atol=1e-4)


def test_it_finds_what_a_listener_likes_from_few_ratings(world):
    features, direction, _ = world
    true = features @ direction
    taste = fit_taste(features[:40], np.sign(true[:40]))
    assert np.corrcoef(taste.mean(features[40:]), true[40:])[0, 1] > 0.8


def test_what_is_far_from_everything_heard_is_less_sure(world):
    features, _, _ = world
    taste = fit_taste(features[:1], np.ones(1))
    assert taste.deviation(features[:1])[0] < taste.deviation(-features[1:20]).max() <= 1.0001


def test_only_the_last_pieces_count_in_a_very_long_history(monkeypatch, world):
    monkeypatch.setattr("zhiyin.recommenders.taste.MAX_HEARD", 5)
    features, _, _ = world
    liking = np.r_[-np.ones(20), np.ones(5)]
    assert len(fit_taste(features[:25], liking).heard) == 5 < MAX_HEARD
    assert np.allclose(fit_taste(features[:25], liking).weights, fit_taste(features[20:25], np.ones(5)).weights)

"""One contract for every recommender, on listeners of two kinds whose right answer is plain; and what each is by its formula."""

import numpy as np
import pytest
from scipy import sparse

from zhiyin.errors import InputError, PackageError, TrainingError
from zhiyin.recommenders.als import Als, fold_in
from zhiyin.recommenders.bpr import Bpr
from zhiyin.recommenders.catalog import RECOMMENDERS
from zhiyin.recommenders.content_ease import ContentEase
from zhiyin.recommenders.contract import as_table, size_bytes
from zhiyin.recommenders.ease import MAX_SIDE, Ease
from zhiyin.recommenders.hybrid import Hybrid, hold_back
from zhiyin.recommenders.item_knn import ItemKnn
from zhiyin.recommenders.popularity import Popularity
from zhiyin.recommenders.ranking import coverage, gini, intra_list_distance, ndcg, precision, rank, recall, top
from zhiyin.recommenders.two_tower import TwoTower, load_towers
from zhiyin.training.two_tower import NeuralTwoTower, TowerRecipe

LISTENERS, ITEMS = 60, 24
ALL = {**RECOMMENDERS, "bpr": lambda: Bpr(iterations=150), "two-tower": lambda: NeuralTwoTower(TowerRecipe(width=8, hidden=16, epochs=60, negatives=24))}


@pytest.fixture(scope="module")
def world():
    """Listeners of even number hear items 0..11, the others 12..23, six of them each; features say the kind and some noise."""
    rng = np.random.default_rng(0)
    heard = np.zeros((LISTENERS, ITEMS), np.float32)
    for u in range(LISTENERS):
        heard[u, 12 * (u % 2) + rng.permutation(12)[:6]] = 1.0
    features = np.zeros((ITEMS, 6), np.float32)
    features[:12, 0] = features[12:, 1] = 1.0
    features[:, 2:] = rng.random((ITEMS, 4)) < 0.3
    return as_table(heard), as_table(features)


@pytest.fixture(scope="module", params=list(ALL))
def fitted(request, world):
    return request.param, ALL[request.param]().fit(*world)


def test_all_recommenders_are_here():
    assert len(ALL) == 8 and all(make().name == name for name, make in ALL.items())


def test_scores_have_the_shape_of_the_histories(fitted, world):
    _, method = fitted
    scores = method.scores(world[0][:7])
    assert scores.shape == (7, ITEMS) and scores.dtype == np.float32 and np.isfinite(scores).all()


def test_each_listener_gets_the_own_kind(fitted, world):
    name, method = fitted
    ranked = rank(method, world[0], 6)
    assert ranked.shape == (LISTENERS, 6)
    own = np.array([(row // 12 == u % 2).mean() for u, row in enumerate(ranked)])
    if name == "popularity":
        assert len(np.unique(method.scores(world[0]), axis=0)) == 1
    else:
        assert own.mean() > 0.9, own.mean()  # by chance 1/3
    assert not world[0].toarray()[np.arange(LISTENERS)[:, None], ranked].any()


def test_a_listener_who_came_later_is_folded_in_without_fitting_anew(fitted, world):
    name, method = fitted
    later = as_table(np.eye(ITEMS, dtype=np.float32)[[3]] + np.eye(ITEMS, dtype=np.float32)[[7]])
    before = method.scores(world[0]).copy()
    ranked = rank(method, later, 8)[0]
    assert {3, 7}.isdisjoint(ranked.tolist())
    if name != "popularity":
        assert (ranked // 12 == 0).mean() >= 0.75
    assert np.array_equal(before, method.scores(world[0]))


def test_an_empty_history_gets_finite_scores(fitted):
    _, method = fitted
    assert np.isfinite(method.scores(as_table((1, ITEMS)))).all()


def test_a_history_scores_the_same_alone_and_among_others(fitted, world):
    _, method = fitted
    assert np.allclose(method.scores(world[0][3:4]), method.scores(world[0])[3:4], atol=1e-4)


def test_the_same_data_and_seed_give_the_same_scores(fitted, world):
    name, method = fitted
    assert np.allclose(ALL[name]().fit(*world).scores(world[0]), method.scores(world[0]), atol=1e-5)


def test_memory_is_told(fitted):
    _, method = fitted
    assert 0 < size_bytes(method) < 1 << 20


def test_fewer_items_than_wanted_are_filled_with_minus_one(fitted):
    _, method = fitted
    allowed = np.zeros(ITEMS, bool)
    allowed[:3] = True
    ranked = rank(method, as_table((1, ITEMS)), 5, allowed=allowed)[0]
    assert sorted(ranked[:3].tolist()) == [0, 1, 2] and ranked[3:].tolist() == [-1, -1]


# --- by their formulas


def dense_ease(x: np.ndarray, strength: float) -> np.ndarray:
    inverse = np.linalg.inv(x.T @ x + strength * np.eye(x.shape[1]))
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights


@pytest.mark.parametrize("shape", [(40, 15), (12, 30)])
def test_ease_is_its_closed_form_in_both_forms(shape):
    rng = np.random.default_rng(1)
    x = (rng.random(shape) < 0.3).astype(np.float64)
    other = (rng.random((5, shape[1])) < 0.3).astype(np.float64)
    method = Ease(3.0).fit(as_table(x))
    assert method.dual == (shape[0] < shape[1])
    for rows in (x, other):  # listeners of the table, and others
        assert np.allclose(method.scores(as_table(rows)), rows @ dense_ease(x, 3.0), atol=1e-4)


def test_content_ease_is_ease_over_stacked_rows():
    rng = np.random.default_rng(2)
    x, features = (rng.random((20, 9)) < 0.4).astype(np.float64), (rng.random((9, 5)) < 0.5).astype(np.float64)
    features[0] = 1
    weighed = 0.5 * features.T * np.log(9 / features.sum(axis=0))[:, None]
    want = x @ dense_ease(np.vstack([x, weighed]), 2.0)
    assert np.allclose(ContentEase(2.0, 0.5).fit(as_table(x), as_table(features)).scores(as_table(x)), want, atol=1e-4)


def test_item_knn_is_a_shrunk_cosine():
    x = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1], [1, 0, 0]], dtype=np.float64)
    dots, length = x.T @ x, np.linalg.norm(x, axis=0)
    cosine = dots / (np.outer(length, length) + 2.0)
    np.fill_diagonal(cosine, 0)
    assert np.allclose(ItemKnn(9, 2.0).fit(as_table(x)).scores(as_table(x)), x @ cosine, atol=1e-6)
    nearest = ItemKnn(1, 2.0).fit(as_table(x)).similar.toarray()
    assert ((nearest > 0).sum(axis=1) == 1).all() and np.isclose(nearest[0].max(), cosine[0].max())


def test_als_folds_in_by_solving_the_listeners_half():
    rng = np.random.default_rng(3)
    items = rng.normal(size=(8, 3)).astype(np.float32)
    history = np.array([[0, 2.0, 0, 1, 0, 0, 0, 0]])
    confidence = 1 + 4 * history[0]
    left = items.T @ (confidence[:, None] * items) + 0.5 * np.eye(3)
    want = np.linalg.solve(left, items.T @ (confidence * (history[0] > 0)))
    assert np.allclose(fold_in(as_table(history), items, 0.5, 4.0)[0], want, atol=1e-4)


def test_als_folds_a_listener_of_the_table_in_where_the_fit_had_put_him(world):
    method = Als(factors=4, iterations=30).fit(world[0])
    ranked, again = rank(method, world[0][:1], 6), rank(method, world[0][:1], 6)
    assert np.array_equal(ranked, again) and (ranked[0] // 12 == 0).all()


def test_popularity_counts_listeners_not_events():
    assert Popularity().fit(as_table([[5, 1], [0, 1]])).scores(as_table((2, 2))).tolist() == [[1, 2], [1, 2]]


def test_content_and_towers_rank_items_that_nobody_has_heard(world):
    heard, features = world
    cold = np.zeros(ITEMS, bool)
    cold[[4, 5, 16, 17]] = True
    table = heard.toarray()
    table[:, cold] = 0
    table = as_table(table)
    for method in (ContentEase(5.0, 1.0, idf=False), NeuralTwoTower(TowerRecipe(width=8, hidden=16, epochs=60, negatives=24))):
        ranked = rank(method.fit(table, features), table, 2, allowed=cold)
        assert np.mean([(row // 12 == u % 2).mean() for u, row in enumerate(ranked)]) > 0.8, method.name  # by chance 1/2


def test_towers_take_new_items_by_their_features_and_are_saved_as_arrays(world, tmp_path):
    method = NeuralTwoTower(TowerRecipe(width=8, hidden=16, epochs=40, negatives=24)).fit(*world)
    new = np.zeros((2, 6), np.float32)
    new[0, 0] = new[1, 1] = 1
    more = load_towers(method.towers.save(tmp_path / "towers.npz")).with_items(new)
    assert isinstance(more, TwoTower) and more.items.shape == (ITEMS + 2, 8)
    history = sparse.hstack([world[0][:2], sparse.csr_matrix((2, 2))]).tocsr()
    scores = more.scores(history)
    assert scores[0, ITEMS] > scores[0, ITEMS + 1] and scores[1, ITEMS + 1] > scores[1, ITEMS]
    (tmp_path / "bad.npz").write_bytes(b"no towers")
    with pytest.raises(PackageError, match=r"bad.npz holds no towers. Expected an .npz file that TwoTower.save wrote"):
        load_towers(tmp_path / "bad.npz")


def test_the_hybrid_chooses_its_weights_by_what_was_held_back(world):
    heard, features = world
    method = Hybrid([Popularity(), Ease(5.0)]).fit(heard, features)
    assert method.weights[1] > 0 and method.weights[1] >= method.weights[0]
    rest, held = hold_back(heard, 0.2, 0)
    assert (rest + held != heard).nnz == 0 and rest.multiply(held).nnz == 0 and held.nnz == LISTENERS
    kept = method.weights.copy()
    assert np.array_equal(method.tune(heard, as_table((LISTENERS, ITEMS))).weights, kept)


def test_what_cannot_be_fitted_is_refused(world):
    with pytest.raises(InputError, match=r"content-ease needs features. Expected a table \(items, features\). Received none."):
        ContentEase().fit(world[0])
    with pytest.raises(TrainingError, match=r"two-tower needs features. Expected a table of 24 items. Received none."):
        NeuralTwoTower().fit(world[0])
    with pytest.raises(TrainingError, match=r"two-tower has nothing to learn from"):
        NeuralTwoTower().fit(as_table(np.eye(ITEMS, dtype=np.float32)), world[1])
    with pytest.raises(InputError, match=r"EASE does not fit. Expected at most 25000 listeners or items. Received 25001 and 25001. hint: als, bpr"):
        Ease().fit(as_table((MAX_SIDE + 1, MAX_SIDE + 1)))
    with pytest.raises(InputError, match=r"EASE cannot be solved. Expected regularisation above 0. Received -5"):
        Ease(-5.0).fit(as_table(np.ones((4, 2), np.float32)))


# --- how rankings are measured


def test_a_perfect_ranking_scores_one_and_a_wrong_one_zero():
    wanted = as_table([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    ranked = np.array([[0, 1], [0, 1], [0, 1]])
    assert recall(ranked, wanted)[:2].tolist() == [1, 0] and np.isnan(recall(ranked, wanted)[2])
    assert ndcg(ranked, wanted)[:2].tolist() == [1, 0] and np.isnan(ndcg(ranked, wanted)[2])
    assert precision(ranked, wanted)[:2].tolist() == [1, 0]


def test_ndcg_by_hand():
    wanted = as_table([[1, 0, 0, 1, 1]])
    gain = 1 / np.log2(3)
    assert np.isclose(ndcg(np.array([[1, 3, 2]]), wanted)[0], gain / (1 + gain + 0.5))
    assert np.isclose(recall(np.array([[1, 3, 2]]), wanted)[0], 1 / 3) and np.isclose(precision(np.array([[1, 3, -1]]), wanted)[0], 1 / 3)


def test_what_accuracy_costs():
    same, spread = np.array([[0, 1], [0, 1]]), np.array([[0, 1], [2, 3]])
    assert coverage(same, 4) == 0.5 and coverage(spread, 4) == 1
    assert gini(spread, 4) == 0 and np.isclose(gini(np.array([[0], [0]]), 4), 0.75)
    features = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.float32)
    assert intra_list_distance(spread, features) == 0 and intra_list_distance(np.array([[0, 2]]), as_table(features)) == 1


def test_top_leaves_out_the_history_and_does_not_touch_the_scores():
    scores = np.array([[3.0, 2.0, 1.0, 0.0]])
    kept = scores.copy()
    assert top(scores, as_table([[1, 0, 0, 0]]), 2).tolist() == [[1, 2]] and np.array_equal(scores, kept)
    assert top(scores, as_table([[1, 1, 1, 0]]), 3).tolist() == [[3, -1, -1]]

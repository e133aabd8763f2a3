"""Last.fm HetRec-2K: the 8:1:1 protocol, the ten published folds, item cold start. Run through benchmarks/recommend.py."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lastfm import LastFm, fold, read_lastfm, split
from scipy import sparse

from zhiyin.recommenders.als import Als
from zhiyin.recommenders.bpr import Bpr
from zhiyin.recommenders.content_ease import ContentEase
from zhiyin.recommenders.contract import Recommender, Table, as_table, size_bytes
from zhiyin.recommenders.ease import Ease
from zhiyin.recommenders.hybrid import Hybrid, standardised
from zhiyin.recommenders.item_knn import ItemKnn
from zhiyin.recommenders.popularity import Popularity
from zhiyin.recommenders.ranking import coverage, gini, intra_list_distance, ndcg, precision, recall, top
from zhiyin.training.two_tower import NeuralTwoTower, TowerRecipe

TOP, DRAWS = 10, 10_000
TARGETS = {"recall@10": 0.222, "ndcg@10": 0.216, "folds precision@10": 0.112, "folds recall@10": 0.26}
ANCHORS = {"LightGCN": [0.2064, 0.1972], "MHCN": [0.2123, 0.2068], "SEPT": [0.2127, 0.2057]}
FRIENDS = 0.5  # weight of a friend in a listener's row, where friends stand beside the artists

# name -> (settings that are tried on valid, what makes the method, which history it sees)
Maker = Callable[..., Recommender]
GRID: Mapping[str, tuple[Sequence[Mapping[str, Any]], Maker, str]] = {
    "popularity": ([{}], Popularity, "ones"),
    "item-knn": ([{"neighbours": n, "shrink": s} for n in (100, 400) for s in (5.0,)], ItemKnn, "plays"),
    "als": ([{"factors": f, "regularisation": r} for f in (64,) for r in (20.0, 60.0)], Als, "ones"),
    "bpr": ([{"factors": 64, "regularisation": r, "iterations": 150} for r in (0.01,)], Bpr, "ones"),
    "ease": ([{"regularisation": r} for r in (50.0, 100.0, 200.0)], Ease, "ones"),
    "content-ease": ([{"regularisation": r, "weight": w} for r in (100.0, 150.0) for w in (0.2, 0.3)], ContentEase, "plays"),
    "content-ease, friends": ([{"regularisation": r, "weight": w} for r in (100.0, 150.0) for w in (0.2, 0.3)], ContentEase, "friends"),
    "two-tower": ([{"temperature": t} for t in (0.05, 0.07)], lambda **s: NeuralTwoTower(TowerRecipe(**s)), "plays"),
}


class Wide:
    """A method that sees friends as further items behind the artists; they are never ranked."""

    def __init__(self, method: Recommender, artists: int) -> None:
        self.method, self.artists, self.name = method, artists, f"{method.name}, friends"

    def fit(self, heard: Table, features: Table | None = None) -> Wide:
        """heard: artists and friends; features of the artists."""
        more = as_table((heard.shape[1] - self.artists, features.shape[1])) if features is not None else None
        self.method.fit(heard, sparse.vstack([features, more], format="csr") if more is not None else None)
        return self

    def scores(self, history: Table) -> np.ndarray:
        """Scores of the artists."""
        return self.method.scores(history)[:, : self.artists]


class Scored:
    """A fitted method of which the scores of all listeners are known, for the hybrid: methods see histories of different kinds."""

    def __init__(self, name: str, known: np.ndarray) -> None:
        self.name, self.known, self.rows = name, known, np.arange(len(known))

    def fit(self, heard: Table, features: Table | None = None) -> Scored:
        """Fitted already."""
        return self

    def scores(self, history: Table) -> np.ndarray:
        """Of the listeners in ``rows``, in their order."""
        return self.known[self.rows]


def histories(data: LastFm, train: np.ndarray) -> dict[str, Table]:
    """What methods may see of the train pairs: ones, logarithms of plays, and these with the listener's friends beside them."""
    plays = data.plays(train)
    around = FRIENDS * (data.friends + sparse.identity(len(data.listeners)))
    return {"ones": data.table(train), "plays": plays, "friends": as_table(sparse.hstack([plays, around]))}


def measure(ranked: np.ndarray, wanted: Table, kinds: Table) -> dict[str, float]:
    """Accuracy, and what it costs: coverage, Gini, distance within lists by tags."""
    items = wanted.shape[1]
    return {
        f"recall@{TOP}": float(np.nanmean(recall(ranked, wanted))), f"ndcg@{TOP}": float(np.nanmean(ndcg(ranked, wanted))),
        f"precision@{TOP}": float(np.nanmean(precision(ranked, wanted))), "coverage": coverage(ranked, items), "gini": gini(ranked, items),
        "intra_list_distance": intra_list_distance(ranked, kinds),
    }  # fmt: skip


def fit(name: str, settings: Mapping[str, Any], seen: Mapping[str, Table], tags: Table) -> tuple[Recommender, float]:
    """A fitted method and the seconds that it took."""
    _, make, kind = GRID[name]
    method = make(**settings)
    if kind == "friends":
        method = Wide(method, tags.shape[0])
    began = time.perf_counter()
    method.fit(seen[kind], tags)
    return method, time.perf_counter() - began


def choose(name: str, seen: Mapping[str, Table], tags: Table, train: Table, valid: Table) -> tuple[dict[str, Any], np.ndarray]:
    """The settings that are best on valid by Recall@10 + NDCG@10, fitted on train only: facts, and scores of all listeners."""
    best: tuple[float, dict[str, Any], np.ndarray] | None = None
    for settings in GRID[name][0]:
        method, seconds = fit(name, settings, seen, tags)
        scores = method.scores(seen[GRID[name][2]])
        ranked = top(scores, train, TOP)
        worth = float(np.nanmean(recall(ranked, valid)) + np.nanmean(ndcg(ranked, valid)))
        if best is None or worth > best[0]:
            facts = {"settings": dict(settings), "fit_seconds": round(seconds, 2), "arrays_mb": round(size_bytes(method) / 2**20, 1), "valid": round(worth / 2, 4)}
            best = (worth, facts, scores)
    assert best is not None
    return best[1], best[2]


def kept(place: Path | None, make: Callable[[], tuple[dict[str, Any], np.ndarray]]) -> tuple[dict[str, Any], np.ndarray]:
    """What ``choose`` found in an earlier run, where a place for it is named and it is there."""
    if place is not None and place.is_file():
        with np.load(place, allow_pickle=False) as found:
            return json.loads(str(found["facts"])), found["scores"]
    facts, scores = make()
    if place is not None:
        np.savez(place, facts=np.array(json.dumps(facts)), scores=scores)
    return facts, scores


def one_seed(data: LastFm, seed: int, say: Callable[[str], None], cache: Path | None = None) -> dict[str, Any]:
    """All methods on one split; per-listener values stay for the bootstrap."""
    part = split(data, seed)
    seen, train = histories(data, part == 0), data.table(part == 0)
    valid, test, known = data.table(part == 1), data.table(part == 2), data.table(part < 2)
    clean, leaky = data.tags(part > 0), data.tags(None)
    rows: dict[str, Any] = {}
    fitted: list[Scored] = []

    def chosen(name: str, tags: Table, label: str = "") -> tuple[dict[str, Any], np.ndarray]:
        place = cache / f"lastfm-{seed}-{name}{label}.npz" if cache else None
        return kept(place, lambda: choose(name, seen, tags, train, valid))

    def test_row(name: str, scores: np.ndarray, facts: dict[str, Any]) -> None:
        ranked = top(scores, known, TOP)
        rows[name] = {**measure(ranked, test, clean), **facts, "listeners": [recall(ranked, test), ndcg(ranked, test)]}
        say(f"seed {seed} {name}: " + ", ".join(f"{k} {rows[name][k]:.4f}" for k in (f"recall@{TOP}", f"ndcg@{TOP}")) + f" {facts}")

    test_row("random", np.random.default_rng(seed).random(train.shape), {})
    for name in GRID:
        facts, scores = chosen(name, clean)
        fitted.append(Scored(name, scores))
        test_row(name, scores, facts)
    began = time.perf_counter()
    hybrid = tune_hybrid(fitted, train, valid)
    seconds = time.perf_counter() - began
    weights = {n: float(w) for n, w in zip(GRID, hybrid.weights) if w}
    test_row("hybrid", hybrid.scores(train), {"settings": weights, "fit_seconds": round(seconds, 2)})
    facts, scores = chosen("content-ease", leaky, "-leaky")
    test_row("content-ease, LEAKY tags (forbidden control)", scores, facts)
    return rows


def tune_hybrid(fitted: Sequence[Scored], train: Table, valid: Table) -> Hybrid:
    """Weights on valid; nothing is fitted again."""
    rows = np.flatnonzero(np.diff(valid.indptr))
    for method in fitted:
        method.rows = rows
    hybrid = Hybrid(fitted).tune(train, valid)
    for method in fitted:
        method.rows = np.arange(train.shape[0])
    return hybrid


def bootstrap(own: np.ndarray, other: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Mean difference over listeners with a 95 % interval (paired bootstrap), NaN listeners left out."""
    gap = (own - other)[~np.isnan(own)]
    rng = np.random.default_rng(seed)
    means = np.array([gap[rng.integers(0, len(gap), len(gap))].mean() for _ in range(DRAWS // 10)])
    return {"difference": round(float(gap.mean()), 4), "low": round(float(np.percentile(means, 2.5)), 4), "high": round(float(np.percentile(means, 97.5)), 4), "n": len(gap)}


def accuracy(folder: Path, seeds: Sequence[int], say: Callable[[str], None], cache: Path | None = None) -> dict[str, Any]:
    """The table: mean and standard deviation over seeds, and the difference from plain EASE on the same splits."""
    data = read_lastfm(folder)
    runs = [one_seed(data, seed, say, cache) for seed in seeds]
    table = {}
    for name in runs[0]:
        values = {k: [r[name][k] for r in runs] for k, v in runs[0][name].items() if isinstance(v, float)}
        row: dict[str, Any] = {k: {"mean": round(float(np.mean(v)), 4), "sd": round(float(np.std(v, ddof=1)), 4) if len(v) > 1 else None} for k, v in values.items()}
        row["settings"] = [r[name].get("settings") for r in runs]
        for place, metric in enumerate((f"recall@{TOP}", f"ndcg@{TOP}")):
            own, ease = (np.concatenate([r[n]["listeners"][place] for r in runs]) for n in (name, "ease"))
            row[f"{metric} over ease"] = bootstrap(own, ease)
        table[name] = row
    best = max((n for n in table if "LEAKY" not in n), key=lambda n: table[n][f"recall@{TOP}"]["mean"])
    return {
        "protocol": "8:1:1 at random within each listener, full ranking over 17,632 artists, train and valid masked at test, settings chosen on valid, no refit on valid; "
        "tags of test and valid pairs removed; bootstrap paired over listeners, all seeds together",
        "seeds": list(seeds), "targets": {k: TARGETS[k] for k in ("recall@10", "ndcg@10")}, "anchors recall, ndcg": ANCHORS,
        "best": best, "table": table, "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }  # fmt: skip


def folds(folder: Path, numbers: Sequence[int], chosen: Mapping[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
    """The published folds with the settings that the 8:1:1 splits chose; P@10 and R@10, mean over listeners with test pairs."""
    data = read_lastfm(folder)
    values: dict[str, list[dict[str, float]]] = {}
    for number in numbers:
        train, test = fold(data, folder, number)
        seen, known, wanted = histories(data, train), data.table(train), data.table(test)
        tags = data.tags(~train)  # also what the folds left out of both
        parts = {}
        for name, settings in chosen["settings"].items():
            method, _ = fit(name, settings, seen, tags)
            parts[name] = method.scores(seen[GRID[name][2]])
        parts["hybrid"] = sum(w * standardised(parts[n]) for n, w in chosen["hybrid"].items())
        for name, scores in parts.items():
            ranked = top(scores, known, TOP)
            values.setdefault(name, []).append({"precision@10": float(np.nanmean(precision(ranked, wanted))), "recall@10": float(np.nanmean(recall(ranked, wanted)))})
            say(f"fold {number} {name}: {values[name][-1]}")
    mean = {n: {k: {"mean": round(float(np.mean([r[k] for r in v])), 4), "sd": round(float(np.std([r[k] for r in v], ddof=1)), 4)} for k in v[0]} for n, v in values.items()}
    return {"folds": list(numbers), "targets": {k: v for k, v in TARGETS.items() if "folds" in k}, "table": mean, "chosen": dict(chosen)}


def cold_items(folder: Path, seeds: Sequence[int], say: Callable[[str], None]) -> dict[str, Any]:
    """A tenth of the artists is in no training history; tags come from one half of the listeners, ranking is measured on the other."""
    data, values = read_lastfm(folder), {}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        cold = np.zeros(len(data.artists), dtype=bool)
        cold[rng.permutation(len(data.artists))[: len(data.artists) // 10]] = True
        taggers = np.zeros(len(data.listeners), dtype=bool)
        taggers[rng.permutation(len(data.listeners))[: len(data.listeners) // 2]] = True
        tags, train, plays = data.tags(None, taggers=taggers), data.table(~cold[data.artist]), data.plays(~cold[data.artist])
        wanted, history = data.table(cold[data.artist] & ~taggers[data.who]), plays
        tagged = as_table(tags.sum(axis=1)).toarray().ravel() > 0
        counted = data.table(taggers[data.who])  # how popular a cold artist is with the half whose listeners tell us of it
        scores = {
            "random": rng.random(train.shape), "popularity with the tagging half (plays that cold start has not)": np.tile(np.asarray(counted.sum(axis=0)).ravel(), (len(data.listeners), 1)),
            "number of tags": np.tile(np.asarray(tags.sum(axis=1)).ravel(), (len(data.listeners), 1)),
            "content-ease": ContentEase(60.0, 0.5).fit(plays, tags).scores(history), "two-tower": NeuralTwoTower().fit(plays, tags).scores(history),
        }  # fmt: skip
        for name, found in scores.items():
            found = np.where(cold, found, -np.inf).astype(np.float32)
            value = float(np.nanmean(recall(top(found, train, 50), wanted)))
            values.setdefault(name, []).append(value)
            say(f"cold items, seed {seed}, {name}: recall@50 {value:.4f}")
        say(f"cold artists {cold.sum()}, with tags {(cold & tagged).sum()}")
    table = {n: {"recall@50": {"mean": round(float(np.mean(v)), 4), "sd": round(float(np.std(v, ddof=1)), 4) if len(v) > 1 else None}} for n, v in values.items()}
    return {"protocol": "a tenth of the artists removed from training; tags from one half of the listeners, Recall@50 among the cold artists on the other half", "seeds": list(seeds), "table": table}

"""How fast recommending is, and how large: ranking at 100,000 pieces, neighbours by a graph, fitting a million events."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from zhiyin.inference.embed import embedder
from zhiyin.inference.features import heard_columns
from zhiyin.recommenders.catalog import RECOMMENDERS
from zhiyin.recommenders.contract import Table, as_table, size_bytes
from zhiyin.recommenders.diversify import diversify, normalised
from zhiyin.recommenders.nearest import Nearest
from zhiyin.recommenders.taste import fit_taste

ITEMS, EVENTS, LISTENERS, FIT_ITEMS = 100_000, 1_000_000, 20_000, 10_000
METHODS = ("popularity", "item-knn", "als", "bpr", "ease", "content-ease")


def ranking(say: Callable[[str], None]) -> dict[str, Any]:
    """Top-10 for one listener with 200 pieces heard: taste fitted and all pieces ranked; medians of 20 calls. Clustered vectors."""
    width = len(heard_columns()) + embedder().width
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(500, width)).astype(np.float32)
    vectors = normalised(centres[rng.integers(0, 500, ITEMS)] + rng.normal(size=(ITEMS, width)).astype(np.float32)).astype(np.float32)
    heard = rng.permutation(ITEMS)[:200]
    said = rng.choice([-1.0, 1.0], 200)

    def exact(diverse: float) -> np.ndarray:
        scores = fit_taste(vectors[heard], said).mean(vectors)
        scores[heard] = -np.inf
        return diversify(scores, vectors, 10, diverse)

    out: dict[str, Any] = {"pieces": ITEMS, "width": width, "target_ms": 20, "matrix_mb": round(vectors.nbytes / 2**20, 1)}
    out["top10_ms"] = median_ms(lambda: exact(0.0))
    out["top10_diverse_ms"] = median_ms(lambda: exact(0.3))
    query = fit_taste(vectors[heard], said).weights
    began = time.perf_counter()
    graph = Nearest(vectors, exact_below=0)
    out["graph"] = {
        "build_seconds": round(time.perf_counter() - began, 1), "ms": median_ms(lambda: graph.search(query, 10)),
        "recall@10 of tastes": round(graph.recall(np.stack([fit_taste(vectors[rng.permutation(ITEMS)[:200]], said).weights for _ in range(50)]), 10), 4),
        "recall@10 of pieces": round(graph.recall(vectors[:200], 10), 4),
    }  # fmt: skip
    say(f"ranking: {out}")
    return out


def median_ms(call: Callable[[], Any], times: int = 20) -> float:
    """Median milliseconds of a call, after one that warms up."""
    call()
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return round(1e3 * float(np.median(spent)), 2)


def events() -> tuple[Table, Table]:
    """A million events of 20,000 listeners on 10,000 pieces, popular ones more often; 300 features of ten each."""
    rng = np.random.default_rng(0)
    weight = 1.0 / np.arange(1, FIT_ITEMS + 1) ** 0.7
    rows, columns = rng.integers(0, LISTENERS, EVENTS), rng.choice(FIT_ITEMS, EVENTS, p=weight / weight.sum())
    table = as_table(sparse.csr_matrix((np.ones(EVENTS), (rows, columns)), shape=(LISTENERS, FIT_ITEMS)))
    features = sparse.csr_matrix((np.ones(10 * FIT_ITEMS), (np.repeat(np.arange(FIT_ITEMS), 10), rng.integers(0, 300, 10 * FIT_ITEMS))), shape=(FIT_ITEMS, 300))
    return table, as_table(features)


def fit_one(name: str) -> None:
    """In a process of its own: fits, prints seconds, peak memory and size."""
    table, features = events()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    method = RECOMMENDERS[name]().fit(table, features)
    spent = time.perf_counter() - began
    ms = median_ms(lambda: method.scores(table[:1]), 5)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(f"{spent:.2f} {peak} {size_bytes(method) / 2**20:.1f} {ms}")


def fitting(say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds and memory of every method on a million events."""
    out: dict[str, Any] = {"events": EVENTS, "listeners": LISTENERS, "items": FIT_ITEMS, "target_seconds": 60, "table": {}}
    for name in METHODS:
        done = subprocess.run([sys.executable, "-c", f"import recommend_speed; recommend_speed.fit_one({name!r})"], capture_output=True, text=True, check=True, cwd=sys.path[0])
        spent, peak, size, ms = map(float, done.stdout.split()[-4:])
        out["table"][name] = {"fit_seconds": spent, "peak_mb_while_fitting": peak, "arrays_mb": size, "ms_per_listener": ms}
        say(f"fit {name}: {out['table'][name]}")
    return out

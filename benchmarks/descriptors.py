"""Do the descriptors carry information, and how fast are they? Speed, Pianist8, the house corpus' styles.

    python benchmarks/descriptors.py CORPUS --pianist8 FOLDER [--only speed,pianist8,corpus]

FOLDER is ../shared/data/benchmarks/pianist8.tar.zst unpacked. Measurement only: nothing that is shipped is trained on Pianist8 (no
licence is stated). Style inputs only: velocity, tempo, program, length and format descriptors are left out; a second line on
Pianist8 takes all. Parts that are not asked for keep their last figures in the JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
from common import RESULTS, about, write

from zhiyin.corpus.scores import encoded
from zhiyin.corpus.store import Corpus, open_corpus
from zhiyin.encoding import decode
from zhiyin.formats.catalog import load
from zhiyin.measures.descriptors import DESCRIPTORS, VERSION, describe, style_inputs
from zhiyin.score import Score

SEED = 0
LEAST = 20  # pieces of a style


def score_of(corpus: Corpus, index: int) -> Score:
    return decode(encoded(corpus, corpus.table[index]))


def speed(corpus: Corpus, count: int = 300) -> dict:
    """Pieces per second of describe() alone on corpus pieces of 450 to 550 notes; best of five passes, on one thread."""
    near = [p.index for p in corpus.table if 450 <= p.notes <= 550]
    chosen = np.random.default_rng(SEED).permutation(near)[:count].tolist()
    scores = [score_of(corpus, i) for i in chosen]
    passes, busy = [], []
    for _ in range(5):
        began, cpu = time.perf_counter(), time.process_time()
        for score in scores:
            describe(score)
        passes.append(time.perf_counter() - began)
        busy.append(time.process_time() - cpu)
    return {
        "pieces": len(scores), "notes_per_piece": round(float(np.mean([len(s.notes) for s in scores])), 1),
        "bars_per_piece": round(float(np.mean([len(s.bars) for s in scores])), 1),
        "pieces_per_second": round(len(scores) / min(passes), 1), "pieces_per_cpu_second": round(len(scores) / min(busy), 1),
        "target": 300, "descriptors": len(DESCRIPTORS),
    }  # fmt: skip


def wilson(hits: np.ndarray) -> dict:
    """Accuracy with a 95 % Wilson interval; one entry of ``hits`` per piece (mean over repeats)."""
    n, p, z = len(hits), float(hits.mean()), 1.96
    middle, size = (p + z * z / (2 * n)) / (1 + z * z / n), 1 + z * z / n
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / size
    return {"accuracy": round(p, 4), "low": round(middle - half, 4), "high": round(middle + half, 4), "n": n}


def trees(kind: str, seed: int):
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier

    if kind == "boosted":
        return HistGradientBoostingClassifier(
            max_iter=120, learning_rate=0.1, max_leaf_nodes=8, min_samples_leaf=5, max_features=0.1, l2_regularization=1.0, random_state=seed
        )
    return ExtraTreesClassifier(500 if kind == "extra" else 150, max_features=0.15, class_weight="balanced_subsample", random_state=seed, n_jobs=1)


def crossed(x: np.ndarray, y: np.ndarray, groups: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """Predictions of every piece by trees that saw no piece of its group (five stratified folds)."""
    from sklearn.model_selection import StratifiedGroupKFold

    out = np.empty_like(y)
    for train, test in StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(x, y, groups):
        out[test] = trees(kind, seed).fit(x[train], y[train]).predict(x[test])
    return out


def pianist8(folder: Path, repeats: int) -> dict:
    files = sorted(folder.rglob("*.mid"))
    if len(files) < 400:
        raise SystemExit(f"{folder} does not hold Pianist8: {len(files)} MIDI files, expected 411")
    began = time.perf_counter()
    x = np.stack([describe(load(f)) for f in files])
    seconds = time.perf_counter() - began
    names = np.array([f.parent.name for f in files])
    labels, y = np.unique(names, return_inverse=True)
    groups = np.arange(len(y))
    inputs = list(style_inputs())
    result: dict = {
        "licence": "none stated; measured only", "labels": dict(Counter(names.tolist())), "seconds_to_load_and_describe": round(seconds, 1),
        "majority": wilson(y == np.bincount(y).argmax()), "anchor": 0.869, "anchor_is": "descriptors + trees, 5x2 cross-validation, shared/data/README.md",
        "protocol": f"{repeats} x 5 stratified folds, one row per piece, no piece on both sides",
    }  # fmt: skip
    for name, columns, kind in (
        ("boosted_trees", inputs, "boosted"), ("extra_trees", inputs, "extra"), ("extra_trees_all_descriptors", list(range(x.shape[1])), "extra"),
    ):  # fmt: skip
        runs = [crossed(x[:, columns], y, groups, kind, seed) for seed in range(repeats)]
        hits = np.mean([run == y for run in runs], axis=0)
        right = Counter(labels[run[i]] for run in runs for i in range(len(y)) if run[i] == y[i])
        recall = {str(k): round(right[k] / (repeats * n), 3) for k, n in Counter(names.tolist()).items()}
        result[name] = {**wilson(hits), "inputs": len(columns), "recall": recall}
        print(name, result[name], flush=True)
    return result


def corpus_styles(corpus: Corpus) -> dict:
    from sklearn.metrics import balanced_accuracy_score, f1_score

    counts = Counter(p.style for p in corpus.table if p.style)
    pieces = [p for p in corpus.table if counts[p.style] >= LEAST]
    began = time.perf_counter()
    x = np.empty((len(pieces), len(DESCRIPTORS)), dtype=np.float32)
    for i, piece in enumerate(pieces):
        x[i] = describe(score_of(corpus, piece.index))
        if i % 500 == 0:
            left = (time.perf_counter() - began) / (i + 1) * (len(pieces) - i)
            print(f"described {i}/{len(pieces)}, {left:.0f} s left", flush=True)
    seconds = time.perf_counter() - began
    x = x[:, list(style_inputs())]
    labels, y = np.unique([p.style for p in pieces], return_inverse=True)
    groups = np.unique([p.group for p in pieces], return_inverse=True)[1]
    where, z = np.unique([p.collection for p in pieces], return_inverse=True)
    guess = crossed(x, y, groups, "small", SEED)
    f1 = f1_score(y, guess, average=None)
    majority = np.full_like(y, np.bincount(y).argmax())
    homes = {s: len({p.collection for p in pieces if p.style == s}) for s in labels}
    identity = crossed(x, z, groups, "small", SEED)
    return {
        "protocol": "5 stratified folds grouped by near-duplicate group, extra trees (150), style inputs", "inputs": x.shape[1],
        "pieces": len(pieces), "styles": len(labels), "seconds_to_decode_and_describe": round(seconds, 1),
        "accuracy": wilson(guess == y), "macro_f1": round(float(f1.mean()), 4), "balanced_accuracy": round(float(balanced_accuracy_score(y, guess)), 4),
        "majority": {**wilson(majority == y), "macro_f1": round(float(f1_score(y, majority, average="macro")), 4)},
        "within_collection": {str(c): wilson((guess == y)[z == i]) for i, c in enumerate(where)},
        "collection_identity": wilson(identity == z),
        "by_style": {str(s): {"f1": round(float(f), 3), "n": counts[s], "collections": homes[s]} for s, f in zip(labels, f1)},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--pianist8", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="speed,pianist8,corpus")
    options = parser.parse_args()
    corpus, asked = open_corpus(options.corpus), options.only.split(",")
    path = RESULTS / "descriptors.json"
    result = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    parts = {
        "speed": lambda: speed(corpus),
        "pianist8": lambda: pianist8(options.pianist8, options.repeats),
        "corpus": lambda: corpus_styles(corpus),
    }
    for part in asked:
        said = about(f"python benchmarks/descriptors.py CORPUS --pianist8 FOLDER --only {part}", seed=SEED, version=VERSION)
        result[part] = {**parts[part](), "about": said}
        write("descriptors", result)


if __name__ == "__main__":
    main()

"""Does recommending work? Last.fm HetRec-2K, item cold start, simulated listeners on the house corpus, composing for a listener, speed.

    python benchmarks/recommend.py --lastfm FOLDER --corpus CORPUS [--only accuracy,folds,cold,symbolic,composing,speed,fitting]

FOLDER is ../shared/data/benchmarks/lastfm-2k.tar.zst unpacked (non-commercial: measurement only). Everything on one thread, full
rankings, mean and standard deviation over seeds. Parts that are not asked for keep their last figures in the JSON. ``--cache FOLDER``
keeps scores of fitted methods and vectors of pieces between runs, so that a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import recommend_lastfm
import recommend_simulated as simulated
import recommend_speed as speed
from common import RESULTS, about, write

BEGAN = time.perf_counter()
PARTS = ("accuracy", "folds", "cold", "symbolic", "composing", "speed", "fitting")


def say(text: str) -> None:
    print(f"{time.perf_counter() - BEGAN:7.0f} s  {text}", flush=True)


def chosen(accuracy: dict[str, Any]) -> dict[str, Any]:
    """Settings for the folds: what most seeds chose; weights of the hybrid as the mean over seeds."""
    often = {
        name: json.loads(Counter(json.dumps(s) for s in accuracy["table"][name]["settings"]).most_common(1)[0][0])
        for name in recommend_lastfm.GRID
    }
    blends = accuracy["table"]["hybrid"]["settings"]
    weights = {n: sum(b.get(n, 0.0) for b in blends) / len(blends) for n in recommend_lastfm.GRID}
    needed = {"popularity", "ease", "content-ease", *(n for n, w in weights.items() if w)}
    return {"settings": {n: s for n, s in often.items() if n in needed}, "hybrid": {n: round(w, 3) for n, w in weights.items() if w}}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lastfm", type=Path)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--pieces", type=int, default=2000)
    parser.add_argument("--bars", type=int, default=8)
    parser.add_argument("--only", default=",".join(PARTS))
    given = parser.parse_args()
    path, seeds = RESULTS / "recommend.json", range(given.seeds)
    result = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    cache = {n: given.cache / f"{n}.npz" if given.cache else None for n in ("corpus", "composed")}

    def corpus() -> simulated.Vectors:
        return simulated.kept(cache["corpus"], lambda: simulated.corpus_vectors(given.corpus, given.pieces, say))

    def composed() -> simulated.Vectors:
        return simulated.kept(cache["composed"], lambda: simulated.composed_vectors(given.bars, 12, say))

    parts = {
        "accuracy": lambda: recommend_lastfm.accuracy(given.lastfm, seeds, say, given.cache),
        "folds": lambda: recommend_lastfm.folds(given.lastfm, range(given.folds), chosen(result["accuracy"]), say),
        "cold": lambda: recommend_lastfm.cold_items(given.lastfm, seeds, say),
        "symbolic": lambda: simulated.cold_start(corpus(), 100, seeds, say),
        "composing": lambda: simulated.rounds(composed(), corpus().described, 200, 12, 0, say),
        "speed": lambda: speed.ranking(say),
        "fitting": lambda: speed.fitting(say),
    }
    for part in given.only.split(","):
        began = time.perf_counter()
        found = parts[part]()
        command = f"python benchmarks/recommend.py --lastfm FOLDER --corpus CORPUS --only {part}"
        result[part] = {**found, "about": about(command, seconds=round(time.perf_counter() - began, 1))}
        write("recommend", result)


if __name__ == "__main__":
    main()

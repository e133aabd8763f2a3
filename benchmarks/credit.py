"""Credit on held-out human pieces and on planted tunes: benchmarks/results/credit.json.

    python benchmarks/credit.py CORPUS

CORPUS is the one that the shipped table was counted from. Test split for the figures, valid beside it; about a minute on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from common import about, write

from zhiyin.corpus.store import open_corpus
from zhiyin.evaluation.credit import held_out, lost_nats, planted, top_one
from zhiyin.inference.credit import load_table, packed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--table", type=Path, default=None, help="another folder of tools/make_credit.py")
    parser.add_argument("--each", type=int, default=4, help="planted tunes per collection and number of copies")
    parser.add_argument("--planted-notes", type=int, default=100_000, help="human notes of each collection around them")
    options = parser.parse_args()
    corpus, table = open_corpus(options.corpus), load_table(options.table)
    names = table.collections
    result: dict[str, Any] = {"about": about("python benchmarks/credit.py CORPUS", seed=0), "targets": {"held_out_top_1": 0.8, "planted": 0.95}}
    result["table"] = {"megabytes": round(len(packed(table)) / 1e6, 2), "keys": len(table.keys), **table.about["recipe"]}
    for split in ("test", "valid"):
        pieces, truth = held_out(corpus, table, split)
        lost, notes = lost_nats(table, pieces), np.array([len(p.rows) for p in pieces])
        result[split] = top_one(lost, truth, names)
        result[split]["by_length"] = _by_length(lost, truth, notes, names)
    least = int(table.about["recipe"]["least"])
    result["planted"] = planted(corpus, names, each=options.each, most_notes=options.planted_notes, leasts=(1, least))
    write("credit", result)


def _by_length(lost: np.ndarray, truth: np.ndarray, notes: np.ndarray, names: tuple[str, ...]) -> dict[str, Any]:
    edges, out = (16, 128, 512, 2048, 10**9), {}
    for low, high in zip(edges, edges[1:]):
        inside = (notes >= low) & (notes < high)
        if inside.any():
            found = top_one(lost[inside], truth[inside], names)
            out[f"{low}-{high - 1}" if high < 10**9 else f"{low}-"] = {"n": found["n"], "raw": found["raw"], "balanced": found["balanced"]}
    return out


if __name__ == "__main__":
    main()

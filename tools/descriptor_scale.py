"""Mean and spread of every descriptor over a built corpus -> src/zhiyin/data/descriptor_scale.npz (shipped).

python tools/descriptor_scale.py CORPUS [--pieces 6000]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from zhiyin.corpus.store import open_corpus
from zhiyin.encoding import EncodedPiece, decode
from zhiyin.files import atomic_path
from zhiyin.measures.descriptors import NAMES, describe

PLACE = Path(__file__).parent.parent / "src/zhiyin/data/descriptor_scale.npz"


def main() -> None:
    reading = argparse.ArgumentParser(description=__doc__)
    reading.add_argument("corpus", type=Path)
    reading.add_argument("--pieces", type=int, default=6000)
    given = reading.parse_args()
    corpus = open_corpus(given.corpus)
    pieces = [p for p in corpus.table if p.split == "train" and set(p.programs) != {128}]
    order = np.random.default_rng(0).permutation(len(pieces))[: given.pieces]
    table = []
    for i in order:
        found = corpus.arrays(pieces[i])
        piece = EncodedPiece(found["rows"], found["bars"], found["programs"].reshape(-1), found["controls"].reshape(-1))
        table.append(describe(decode(piece)))
    write(np.stack(table))


def write(table: np.ndarray, place: Path = PLACE) -> None:
    """table: float32 (N, D). What hardly varies gets a spread of at least a thousandth of its range, never 0."""
    low, high = np.percentile(table, [0.5, 99.5], axis=0)
    kept = np.clip(table, low, high)
    spread = np.maximum(kept.std(axis=0), np.maximum(1e-3 * np.abs(table).max(axis=0), 1e-6))
    with atomic_path(place) as path:
        np.savez(path, names=np.array(NAMES), mean=kept.mean(axis=0).astype(np.float32), spread=spread.astype(np.float32))


if __name__ == "__main__":
    main()

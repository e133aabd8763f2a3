"""Measures pieces of a corpus's training split and writes what each style is like: src/zhiyin/data/style_reference.npz.

    python tools/make_style_reference.py CORPUS [--most 120] [--work FOLDER]

Quantiles per style and figure only. At most ``--most`` pieces of a style, drawn with seed 0; ``all`` is all of these together, so that
each style weighs alike up to its size. About eight minutes on one core; finished styles are kept in the work folder.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from zhiyin.corpus.scores import encoded
from zhiyin.corpus.store import Corpus, Piece, open_corpus
from zhiyin.evaluation.figures import measure_figures, whole
from zhiyin.evaluation.style_reference import ALL, LEAST_PIECES, packed, summarise
from zhiyin.files import atomic_path

OUT = Path(__file__).resolve().parent.parent / "src/zhiyin/data/style_reference.npz"
LEAST_NOTES = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--most", type=int, default=120, help="pieces of a style")
    parser.add_argument("--work", type=Path, default=Path("out/style_reference"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    corpus = open_corpus(options.corpus)
    shelves: dict[str, list[Piece]] = {}
    for piece in corpus.pieces("train"):
        if piece.style and piece.notes >= LEAST_NOTES:
            shelves.setdefault(piece.style, []).append(piece)
    tables = {s: table(corpus, s, shelves[s], options.most, options.work) for s in sorted(shelves) if len(shelves[s]) >= LEAST_PIECES}
    about = {
        "split": "train", "pieces": sum(map(len, tables.values())), "most_of_a_style": options.most, "seed": 0,
        "collections": [{k: c[k] for k in ("name", "licence", "attribution", "sha256")} for c in corpus.manifest["collections"]],
    }  # fmt: skip
    everything = np.concatenate(list(tables.values()))
    references = [summarise(ALL, everything, about), *(summarise(s, t, about) for s, t in tables.items())]
    with atomic_path(options.out) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, **packed(references))
    print(f"{options.out}: {len(references)} references, {len(everything):,} pieces, {options.out.stat().st_size / 1e6:.2f} MB")


def table(corpus: Corpus, style: str, shelf: list[Piece], most: int, work: Path) -> np.ndarray:
    """Figures of a style's drawn pieces, float32 (pieces, figures); kept in the work folder."""
    path = work / f"{style}.npy"
    if path.exists():
        return np.load(path, allow_pickle=False)
    began, rows = time.monotonic(), []
    for i in sorted(np.random.default_rng(0).permutation(len(shelf))[:most].tolist()):
        rows.append(measure_figures(whole(encoded(corpus, shelf[i]))))
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.save(handle, np.stack(rows))
    print(f"{style}: {len(rows)} pieces, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return np.stack(rows)


if __name__ == "__main__":
    main()

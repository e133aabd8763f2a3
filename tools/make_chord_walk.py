"""Counts which chord follows which in the bars of a corpus's training split: src/zhiyin/data/chord_walk.npz.

    python tools/make_chord_walk.py CORPUS [--out FILE]

Per style and mode, chords relative to the bar's key, one a bar as ``encoding.plan`` reads them. Sections give the first chords; bars without a chord or a key break the chain. Seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from zhiyin.corpus.store import open_corpus
from zhiyin.encoding.fields import BAR_COLUMN
from zhiyin.files import atomic_path
from zhiyin.inference.chord_walk import BEGIN, QUALITIES, STATES
from zhiyin.measures.key import tonic_of

OUT = Path(__file__).resolve().parent.parent / "src/zhiyin/data/chord_walk.npz"


def states_of(bars: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """State of each bar (-1 where it has no chord or key) and its mode, both int (bars,)."""
    chord, key, mode = (bars[:, BAR_COLUMN[n]].astype(int) for n in ("chord", "key", "mode"))
    tonic = np.array([tonic_of(int(k) - 8, max(int(m) - 1, 0)) for k, m in zip(key, mode)])
    state = ((chord - 2) // QUALITIES - tonic) % 12 * QUALITIES + (chord - 2) % QUALITIES
    return np.where((chord >= 2) & (key > 0) & (mode > 0), state, -1), mode - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    corpus = open_corpus(options.corpus)
    pieces = [p for p in corpus.pieces("train") if p.style]
    styles = sorted({p.style for p in pieces})
    counts = np.zeros((len(styles), 2, STATES + 1, STATES), dtype=np.uint32)
    for piece in pieces:
        bars, style = np.asarray(corpus.arrays(piece)["bars"]), styles.index(piece.style)
        states, modes = states_of(bars)
        before = np.r_[-1, states[:-1]]
        first = (bars[:, BAR_COLUMN["section_bar"]] == 1) & (states >= 0)
        chain = (before >= 0) & (states >= 0)
        np.add.at(counts, (style, modes[first], BEGIN, states[first]), 1)
        np.add.at(counts, (style, modes[chain], before[chain], states[chain]), 1)
    kept = [i for i in range(len(styles)) if counts[i].any()]
    counts = counts[kept]
    places = np.nonzero(counts)
    arrays = {"styles": np.array([styles[i] for i in kept]), "places": np.array(places, dtype=np.uint8), "counts": counts[places].astype(np.uint16)}
    with atomic_path(options.out) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, **arrays)
    print(f"{options.out}: {int(counts.sum()):,} bars of {len(kept)} styles, {options.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()

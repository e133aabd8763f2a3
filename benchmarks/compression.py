"""Lossless coding of the test pieces beside xz -9 and an order-3 PPM: python benchmarks/compression.py CORPUS [--pieces N]

All pieces of the test split, one after the other: our coder over one stream (and each piece alone, as `zhiyin compress` does); xz over the rows as one table of little-endian
uint16, column by column and row by row; PPM of order 3 (method C) over the same bytes, and over the values of each column (bars as steps), which is the fair one: a byte-wise
order of 3 sees one and a half values. Ours also codes bars and programs, the others rows only. Bits
are counted from the probabilities, which is what the range coder needs within 0.1 %. Aims of issue 5: ≥ 2.5 times fewer bits than xz, ≥ 1.3 times fewer than PPM.
"""

from __future__ import annotations

import argparse
import lzma
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from common import about, write

from zhiyin.corpus.scores import encoded
from zhiyin.corpus.store import open_corpus
from zhiyin.encoding.lossless import RowCoder
from zhiyin.encoding.rows import EncodedPiece

SEED, ORDER = 1, 3


class Counter:
    """A channel that counts the bits it would take."""

    def __init__(self) -> None:
        self.bits = 0.0
        self._cost = [-math.log2(max(p, 1) / 65536) for p in range(65537)]

    def bit(self, bit: int, p: int) -> int:
        self.bits += self._cost[p] if bit else self._cost[65536 - p]
        return bit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus")
    parser.add_argument("--pieces", type=int, default=0, help="a sample of so many (0 = all)")
    parser.add_argument("--name", default="compression")
    options = parser.parse_args()
    corpus = open_corpus(options.corpus)
    every = corpus.pieces("test")
    order = np.random.default_rng(SEED).permutation(len(every))[: options.pieces or len(every)]
    pieces = [encoded(corpus, every[i]) for i in sorted(order)]
    rows = np.concatenate([p.rows for p in pieces]).astype("<u2")
    began = time.process_time()
    channel = Counter()
    coder = RowCoder(channel)
    for piece in pieces:
        coder.piece(piece)
    seconds = time.process_time() - began
    layouts = {"columns": rows.T.tobytes(), "rows": rows.tobytes()}
    xz = {name: 8 * len(lzma.compress(data, preset=9)) for name, data in layouts.items()}
    ppm = {name: ppm_bits(data) for name, data in layouts.items()}
    ppm["values"] = sum(ppm_bits(tuple(column), 512) for column in values_of(pieces))
    alone = list(_alone(pieces[:30]))
    result: dict[str, Any] = {
        "pieces": len(pieces), "notes": len(rows), "bits_per_note": {"ours": channel.bits / len(rows), **{f"xz -9, {k}": v / len(rows) for k, v in xz.items()}, **{f"ppm-3, {k}": v / len(rows) for k, v in ppm.items()}},
        "times_fewer_bits_than": {**{f"xz -9, {k}": v / channel.bits for k, v in xz.items()}, **{f"ppm-3, {k}": v / channel.bits for k, v in ppm.items()}},
        "alone": {"pieces": len(alone), "bits_per_note_median": float(np.median([a for a, _ in alone])), "times_fewer_than_xz_of_its_columns_median": float(np.median([b for _, b in alone]))},
        "notes_per_cpu_second": round(len(rows) / seconds),
    }  # fmt: skip
    write(options.name, {**about("python benchmarks/compression.py CORPUS", seed=SEED), **result})


def _alone(pieces: list[EncodedPiece]) -> Iterator[tuple[float, float]]:
    """(bits a note, times fewer bits than xz of the piece's columns) of each piece coded from nothing."""
    for piece in pieces:
        channel = Counter()
        RowCoder(channel).piece(piece)
        xz = 8 * len(lzma.compress(piece.rows.astype("<u2").T.tobytes(), preset=9))
        yield channel.bits / len(piece.rows), xz / channel.bits


def values_of(pieces: list[EncodedPiece]) -> list[list[int]]:
    """The six columns of all pieces as values below 512; bars as steps from the row before."""
    tables = []
    for piece in pieces:
        rows = piece.rows.astype(np.int64)
        rows[:, 0] = np.diff(rows[:, 0], prepend=0)
        tables.append(rows)
    return np.concatenate(tables).T.tolist()


def ppm_bits(data: Sequence[int], alphabet: int = 256) -> float:
    """Bits of an order-3 PPM with escapes after method C and exclusion (Moffat 1990), adaptive."""
    contexts: dict[Sequence[int], dict[int, int]] = {}
    bits = 0.0
    for i, byte in enumerate(data):
        ruled_out: set[int] = set()
        for length in range(min(ORDER, i), -1, -1):
            counts = contexts.get(data[i - length : i])
            if not counts:
                continue
            total = sum(n for s, n in counts.items() if s not in ruled_out) if ruled_out else sum(counts.values())
            kinds = len(counts) - sum(s in counts for s in ruled_out)
            if byte in counts:
                bits -= math.log2(counts[byte] / (total + kinds))
                break
            if kinds:
                bits -= math.log2(kinds / (total + kinds))
            ruled_out |= counts.keys()
        else:
            bits += math.log2(alphabet - len(ruled_out))
        for length in range(min(ORDER, i) + 1):
            counts = contexts.setdefault(data[i - length : i], {})
            counts[byte] = counts.get(byte, 0) + 1
    return bits


if __name__ == "__main__":
    main()

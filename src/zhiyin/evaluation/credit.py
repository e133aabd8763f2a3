"""Is credit right? Held-out human pieces, and invented tunes planted in one collection, must be credited to where they are from.

* **held out**: pieces of the valid or test split, whose works are in no training piece. Right = the collection whose absence costs a piece most nats
  is the one that it is from. Reported raw (over pieces) and balanced (mean over collections of the share that is right), with the confusion.
* **planted**: tunes of a rule set that owes nothing to a collection (``canaries``), each added to the counts of one collection, 1 … 16 times.
  Right = credited to it. As tunes of one rule set stand in all collections, a tune is not told by its style, only by its notes.

Intervals are bootstraps over pieces with a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zhiyin.corpus.scores import encoded
from zhiyin.corpus.store import Corpus
from zhiyin.encoding import EncodedPiece, encode
from zhiyin.evaluation.canaries import invent
from zhiyin.inference.credit import CountTable, nats_without
from zhiyin.training.credit import count_all, training_pieces

LEAST_NOTES = 16
PLANTED_COPIES = (1, 2, 4, 8, 16)
RESAMPLINGS = 1000


def lost_nats(table: CountTable, pieces: Sequence[EncodedPiece], *, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """Nats that each piece loses without each collection: float (n, C)."""
    lost = np.zeros((len(pieces), table.counts.shape[1]))
    for i, piece in enumerate(pieces):
        nats = nats_without(piece, table).sum(axis=0)
        lost[i] = nats[1:] - nats[0]
        if progress:
            progress(i + 1, len(pieces))
    return lost


def held_out(corpus: Corpus, table: CountTable, split: str) -> tuple[list[EncodedPiece], np.ndarray]:
    """Pieces of a split with LEAST_NOTES or more, and the index of each one's collection."""
    names = list(table.collections)
    found = [p for p in corpus.pieces(split) if p.notes >= LEAST_NOTES and p.collection in names]
    return [encoded(corpus, p) for p in found], np.array([names.index(p.collection) for p in found])


def top_one(lost: np.ndarray, truth: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """Share of pieces credited to their own collection: raw and balanced with 95 % intervals, per collection, confusion (rows = truth)."""
    picked, width = lost.argmax(axis=1), len(names)
    right = (picked == truth).astype(np.float64)
    there = [c for c in range(width) if (truth == c).any()]
    rng = np.random.default_rng(0)
    raw, balanced = np.zeros(RESAMPLINGS), np.zeros(RESAMPLINGS)
    for c in there:
        own = right[truth == c]
        drawn = own[rng.integers(0, len(own), (RESAMPLINGS, len(own)))]
        raw += drawn.sum(axis=1) / len(truth)
        balanced += drawn.mean(axis=1) / len(there)
    confusion = np.zeros((width, width), dtype=int)
    np.add.at(confusion, (truth, picked), 1)
    return {
        "n": len(truth),
        "raw": _told(right.mean(), raw),
        "balanced": _told(float(np.mean([right[truth == c].mean() for c in there])), balanced),
        "per_collection": {names[c]: {"right": round(float(right[truth == c].mean()), 4), "n": int((truth == c).sum())} for c in there},
        "confusion": {names[c]: dict(zip(names, confusion[c].tolist())) for c in there},
    }


def _told(mean: float, drawn: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"share": round(float(mean), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def levels(lost: np.ndarray, notes: np.ndarray, truth: np.ndarray, names: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Nats lost per note without a collection: quartiles over its own pieces, median and 95 % over the others'."""
    per_note, out = lost / notes[:, None], {}
    for c, name in enumerate(names):
        own, others = per_note[truth == c, c], per_note[truth != c, c]
        if len(own) and len(others):
            out[name] = {
                "own": np.quantile(own, (0.25, 0.5, 0.75)).round(4).tolist(),
                "others": np.quantile(others, (0.5, 0.95)).round(4).tolist(),
            }
    return out


def planted(
    corpus: Corpus, names: Sequence[str], *, each: int = 4, most_notes: int = 100_000, leasts: Sequence[int] = (1,), seed: int = 0
) -> list[dict[str, Any]]:
    """Credit of planted tunes, per value of ``leasts`` (pruning), by copies: ``each`` tunes per collection and number of copies."""
    pieces = training_pieces(corpus, most_notes, seed)
    human = [(encoded(corpus, p), list(names).index(p.collection)) for p in pieces]
    plan = [(c, k) for c in range(len(names)) for k in PLANTED_COPIES for _ in range(each)]
    tunes = [encode(invent(2_000_000 + i))[0] for i in range(len(plan))]
    planted_rows = [(tune, c) for tune, (c, k) in zip(tunes, plan) for _ in range(k)]
    truth, copies = np.array([c for c, _ in plan]), np.array([k for _, k in plan])
    out = []
    for least, table in zip(leasts, count_all([*human, *planted_rows], names, leasts)):
        lost = lost_nats(table, tunes)
        by_copies = {str(k): top_one(lost[copies == k], truth[copies == k], names) for k in PLANTED_COPIES}
        told = {k: {"n": v["n"], **v["raw"]} for k, v in by_copies.items()}
        out.append({"pruned_below": least, "notes_per_collection": most_notes, "all": top_one(lost, truth, names), "by_copies": told})
    return out

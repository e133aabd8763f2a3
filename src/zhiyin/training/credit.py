"""Counting for credit: how often each note context, and what followed it, stands in each collection.

One table of counts is eight models at once (see ``inference.credit``): all collections, and all but each. Rare entries are
pruned for the shipped table; what a context counts is then the sum of what is kept of it, so that probabilities still sum to one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.corpus.store import Corpus, Piece
from zhiyin.encoding import EncodedPiece
from zhiyin.errors import TrainingError
from zhiyin.formats.files import atomic_write
from zhiyin.inference.credit import ABOUT, CARD, FORMAT, TABLE, CountTable, load_table, packed
from zhiyin.inference.note_contexts import LEVELS, contexts
from zhiyin.provenance.package import file_hash

ALWAYS_KEPT = 2  # levels of each fact that are never pruned

Progress = Callable[[int, int], None]


def training_pieces(corpus: Corpus, most_notes: int, seed: int = 0) -> list[Piece]:
    """Training pieces, of each collection at most ``most_notes`` notes (0 = all), drawn whole with a seed."""
    rng, chosen = np.random.default_rng(seed), list[Piece]()
    for name in (c["name"] for c in corpus.manifest["collections"]):
        pieces = corpus.pieces("train", collection=name)
        order = [pieces[i] for i in rng.permutation(len(pieces))]
        upto = np.cumsum([p.notes for p in order])
        chosen += [p for p, notes in zip(order, upto) if not most_notes or notes <= most_notes]
    return chosen


def count(pieces: Iterable[tuple[EncodedPiece, int]], collections: Sequence[str], *, least: int = 1) -> CountTable:
    """Counts of pieces, each with the index of its collection. ``least``: entries seen less often in all are pruned (1 = none)."""
    return count_all(pieces, collections, [least])[0]


def count_all(
    pieces: Iterable[tuple[EncodedPiece, int]],
    collections: Sequence[str],
    leasts: Sequence[int],
    *,
    progress: Progress | None = None,
) -> list[CountTable]:
    """One table per value of ``leasts``, from one pass. ``progress`` is called with (levels done, levels)."""
    found, owners = list[tuple[np.ndarray, np.ndarray]](), list[np.ndarray]()
    for piece, collection in pieces:
        seen, entries, _ = contexts(piece)
        found.append((seen, entries))
        owners.append(np.full(seen.shape[1], collection, dtype=np.int64))
    if not found:
        raise TrainingError("Nothing to count", expected="at least one piece", received="0 pieces")
    owner, width = np.concatenate(owners), len(collections)
    parts: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in leasts]
    for level in range(sum(LEVELS)):
        seen = np.concatenate([s[level] for s, _ in found])
        entries = np.concatenate([e[level] for _, e in found])
        keys, first, which = np.unique(entries, return_index=True, return_inverse=True)
        counts = np.bincount(which * width + owner, minlength=len(keys) * width).reshape(-1, width)
        for part, least in zip(parts, leasts):
            part += _level(keys, counts, seen[first], least if _prunes(level) else 1)
        if progress:
            progress(level + 1, sum(LEVELS))
    about = {"collections": [{"name": name} for name in collections]}
    return [CountTable(*_joined(part), about) for part in parts]


def _prunes(level: int) -> bool:
    for ladder in LEVELS:
        if level < ladder:
            return level >= ALWAYS_KEPT
        level -= ladder
    raise IndexError(level)


def _level(keys: np.ndarray, counts: np.ndarray, context: np.ndarray, least: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(keys, counts) of one level: its entries, then their contexts (K,), which count what is kept of their entries."""
    kept = counts.sum(axis=1) >= least
    heads, which = np.unique(context[kept], return_inverse=True)
    order = np.argsort(which, kind="stable")
    starts = np.searchsorted(which[order], np.arange(len(heads)))
    sums = np.add.reduceat(counts[kept][order], starts) if len(heads) else counts[:0]
    return [(keys[kept], counts[kept]), (heads, sums)]


def _joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """All levels as one ascending table; of two keys that fall together by chance the fuller one stays."""
    keys, counts = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
    order = np.lexsort((-counts.sum(axis=1), keys))
    keys, counts = keys[order], counts[order]
    alone = np.r_[True, keys[1:] != keys[:-1]]
    return keys[alone].astype(np.uint32), counts[alone].astype(np.uint32)


def write_table(folder: Path, table: CountTable, card: str, about: Mapping[str, Any]) -> CountTable:
    """Writes credit.json, table.npz and card.md as a whole (an old folder is replaced) and reads them back."""
    staged = folder.with_name(f".{folder.name}.staged")
    shutil.rmtree(staged, ignore_errors=True)
    atomic_write(staged / TABLE, packed(table))
    atomic_write(staged / CARD, card)
    files = {name: file_hash(staged / name) for name in (TABLE, CARD)}
    told = {"format": FORMAT, **table.about, **about, "keys": len(table.keys), "files": files}
    atomic_write(staged / ABOUT, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    staged.rename(folder)
    load_table.cache_clear()
    return load_table(folder)

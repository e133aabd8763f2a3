"""Credit: what a piece owes to each collection that models learnt from, note by note, bar by bar, in all.

Eight small models predict the piece: one that has learnt from all collections, and for each collection one that never saw it. What the
likelihood of a note loses without a collection is what the note owes to it:

    lost(note, c) = -ln p(note | learnt without c) + ln p(note | learnt from all)        nats
    share(c)      = max(0, sum of lost over the notes) / the same summed over collections

The models are count tables over the contexts of ``note_contexts``, each level smoothed towards the one below (Dirichlet; MacKay and
Peto 1995). Leaving a collection out of a sum of counts is exact: the models differ by that collection and nothing else, no seed, no
order of batches. Nothing here trains; no network, no torch.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.encoding import EncodedPiece, encode
from zhiyin.encoding.rows import BAR
from zhiyin.errors import InputError, PackageError
from zhiyin.formats.files import read_bytes
from zhiyin.inference.note_contexts import FLOOR_SYMBOLS, LEVELS, contexts
from zhiyin.measures.key import with_keys
from zhiyin.provenance.package import SHIPPED, packages_folder
from zhiyin.score import Score

FORMAT = "credit/1"
ABOUT, TABLE, CARD = "credit.json", "table.npz", "card.md"
MAX_BYTES, MAX_ENTRIES = 512 * 1024 * 1024, 40_000_000
# Counts that a context must have before it is believed as much as the shorter one below it; tuned on held-out nats.
SMOOTHING = (0.5, 60.0, 60.0, 60.0)
FLOOR = 1 / FLOOR_SYMBOLS  # probability of any fact below the shortest context
RESAMPLINGS = 1000


@dataclass(frozen=True)
class CountTable:
    """How often each key (a context, or a context with what followed) stands in each collection.

    keys: uint32 (K,), ascending. counts: uint32 (K, C). about: collections, notes, metrics (credit.json).
    """

    keys: np.ndarray
    counts: np.ndarray
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def collections(self) -> tuple[str, ...]:
        """Names, in the order of the columns of ``counts``."""
        return tuple(c["name"] for c in self.about["collections"])

    def look(self, keys: np.ndarray) -> np.ndarray:
        """Counts float64 (R, C) of keys (R,); zeros where a key was never seen."""
        if not len(self.keys):
            return np.zeros((len(keys), self.counts.shape[1]))
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where((self.keys[at] == keys)[:, None], self.counts[at], 0).astype(np.float64)


@dataclass(frozen=True)
class Credit:
    """What a piece owes. B bars, C collections.

    collections: names. lost: nats lost per bar without each, float (B, C). notes: per bar, int (B,). numbers: printed bar numbers
    (B,). shares, low, high: of the whole, (C,), the 95 % interval from resampling bars. All shares are 0 where nothing is owed.
    """

    collections: tuple[str, ...]
    lost: np.ndarray
    notes: np.ndarray
    numbers: np.ndarray
    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def per_note(self) -> np.ndarray:
        """Nats lost per note without each collection (C,); below 0: the piece is easier to predict without it."""
        return self.lost.sum(axis=0) / max(int(self.notes.sum()), 1)

    @property
    def top(self) -> str:
        """The collection that most is owed to; "" where nothing is."""
        return self.collections[int(self.shares.argmax())] if self.shares.any() else ""

    def of_bars(self, around: int = 1) -> list[str]:
        """The collection that each bar, with ``around`` bars on either side, owes most to; "" where nothing is owed."""
        sums = np.concatenate([np.zeros((1, self.lost.shape[1])), np.cumsum(self.lost, axis=0)])
        bar = np.arange(len(self.lost))
        near = sums[np.minimum(bar + around + 1, len(bar))] - sums[np.maximum(bar - around, 0)]
        return [self.collections[c] if near[b, c] > 1e-9 else "" for b, c in enumerate(near.argmax(axis=1))]

    def as_dict(self) -> dict[str, dict[str, float]]:
        """Collection -> share, low, high: what a record holds under ``credit``."""
        found = zip(self.collections, self.shares, self.low, self.high)
        return {c: {"share": round(float(s), 4), "low": round(float(a), 4), "high": round(float(b), 4)} for c, s, a, b in found}


def credit(score: Score, *, table: CountTable | None = None) -> Credit:
    """What a score owes to the collections of ``table`` (the shipped one by default). Raises InputError without notes."""
    if not len(score.notes):
        raise InputError("Nothing to credit", expected="a score with notes", received="0 notes")
    piece = encode(with_keys(score))[0]
    return credit_of(piece, table or load_table(), np.asarray(score.bars["number"]))


def credit_of(piece: EncodedPiece, table: CountTable, numbers: np.ndarray | None = None) -> Credit:
    """Credit of an encoded piece; ``numbers``: of its bars (from 1 by default)."""
    nats = nats_without(piece, table)
    bars, width = len(piece.bars), nats.shape[1] - 1
    lost, bar = np.zeros((bars, width)), piece.rows[:, BAR].astype(np.int64)
    np.add.at(lost, bar, nats[:, 1:] - nats[:, :1])
    notes = np.bincount(bar, minlength=bars)
    shares, low, high = _shares(lost[notes > 0])
    numbers = 1 + np.arange(bars) if numbers is None else numbers
    return Credit(table.collections, lost, notes, numbers[:bars], shares, low, high)


def nats_without(piece: EncodedPiece, table: CountTable) -> np.ndarray:
    """-ln p of every row: float (R, 1 + C), under the model of all collections, then under each that lacks one."""
    seen, entries, order = contexts(piece)
    total = np.zeros((len(order), 1 + table.counts.shape[1]))
    level = 0
    for ladder in LEVELS:
        p = np.full_like(total, FLOOR)
        for smoothing in SMOOTHING[:ladder]:
            hits, all_ = _left_out(table.look(entries[level])), _left_out(table.look(seen[level]))
            p = (hits + smoothing * p) / (all_ + smoothing)
            level += 1
        total -= np.log(p)
    back = np.empty_like(total)
    back[order] = total
    return back


def _left_out(counts: np.ndarray) -> np.ndarray:
    """Counts (R, C) -> (R, 1 + C): of all collections, then of all but each."""
    all_ = counts.sum(axis=1, keepdims=True)
    return np.concatenate([all_, all_ - counts], axis=1)


def _shares(lost: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares of nats lost per bar (B, C), with 95 % intervals from resampled bars (fixed seed)."""
    picks = np.random.default_rng(0).integers(0, len(lost), (RESAMPLINGS, len(lost)))
    weights = np.zeros((RESAMPLINGS, len(lost)))
    np.add.at(weights, (np.arange(RESAMPLINGS)[:, None], picks), 1.0)
    low, high = np.quantile(_normalised(weights @ lost), (0.025, 0.975), axis=0)
    return _normalised(lost.sum(axis=0)), low, high


def _normalised(owed: np.ndarray) -> np.ndarray:
    kept = np.maximum(owed, 0.0)
    total = kept.sum(axis=-1, keepdims=True)
    return np.divide(kept, total, out=np.zeros_like(kept), where=total > 0)


@lru_cache(maxsize=2)
def load_table(folder: Path | None = None) -> CountTable:
    """The count table of a folder, its hash checked: by default the user's ``credit``, else the shipped one. PackageError."""
    folder = folder or next((r / "credit" for r in (packages_folder(), SHIPPED) if (r / "credit" / ABOUT).is_file()), SHIPPED / "credit")
    if not (folder / ABOUT).is_file():
        raise PackageError(
            f"No credit table in {folder}", expected=f"{ABOUT} and {TABLE}", received="no such file",
            hint="make one with tools/make_credit.py CORPUS",
        )  # fmt: skip
    try:
        about = json.loads(read_bytes(folder / ABOUT, MAX_BYTES))
        version, expected = about["format"], str(about["files"][TABLE])
        names = [str(c["name"]) for c in about["collections"]]
    except (ValueError, KeyError, TypeError) as e:
        raise PackageError(f"{folder.name}: {ABOUT} is damaged", expected="JSON with format, collections, files", received=f"{type(e).__name__}: {e}") from None
    if version != FORMAT:
        raise PackageError(f"{folder.name}: the credit table has another format", expected=FORMAT, received=str(version))
    data = read_bytes(folder / TABLE, MAX_BYTES)
    received = hashlib.sha256(data).hexdigest()
    if received != expected:
        raise PackageError(
            f"{folder.name}: {TABLE} was altered", expected=f"sha256 {expected[:16]}…", received=f"{received[:16]}…",
            hint="install zhiyin again; the table is not used as it is",
        )  # fmt: skip
    keys, counts = _unpacked(data)
    if counts.shape != (len(keys), len(names)):
        raise PackageError(f"{folder.name}: {TABLE} does not fit", expected=f"{len(names)} columns", received=str(counts.shape))
    return CountTable(keys, counts, about)


def packed(table: CountTable) -> bytes:
    """A table as bytes: the steps between its keys, and each collection's counts that are not 0 with their places."""
    columns: dict[str, np.ndarray] = {"steps": np.diff(table.keys, prepend=np.uint32(0)).astype(np.uint32)}
    for c, column in enumerate(table.counts.T):
        at = np.flatnonzero(column)
        columns[f"at{c}"] = np.packbits(column > 0)
        values = column[at]
        columns[f"count{c}"] = values.astype(np.uint32).view(np.uint8).reshape(-1, 4).T.copy()  # byte planes pack well
    out = io.BytesIO()
    np.savez_compressed(out, **columns)  # type: ignore[arg-type]
    return out.getvalue()


def _unpacked(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        keys = np.cumsum(arrays["steps"], dtype=np.uint32)
        if len(keys) > MAX_ENTRIES:
            raise PackageError("The credit table is too large", expected=f"≤ {MAX_ENTRIES:,} keys", received=f"{len(keys):,}")
        width = sum(name.startswith("count") for name in arrays.files)
        counts = np.zeros((len(keys), width), dtype=np.uint32)
        for c in range(width):
            there = np.unpackbits(arrays[f"at{c}"], count=len(keys)).astype(bool)
            counts[there, c] = np.ascontiguousarray(arrays[f"count{c}"].T).reshape(-1, 4).view(np.uint32)[:, 0]
    return keys, counts
